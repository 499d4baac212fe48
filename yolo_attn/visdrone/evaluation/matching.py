"""Greedy matching for the VisDrone evaluation, all images, classes and thresholds at once.

The toolkit lets the detections of an image choose one after the other, best score first, once per threshold: each takes
the free box with the largest IoU. Choosing in turn is a stable matching in which every ground truth box prefers the
detection that comes first, and that matching is unique. So it can be reached by rounds of proposals (Gale and Shapley,
1962) in which all detections move together: propose to the best box not yet tried, lose it to an earlier detection,
propose to the next. A few rounds of array operations replace a loop over detections, ground truth and thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# Octave's 0.5:0.05:0.95, with which the published reference numbers were made: 0.5 + k * 0.05 in float64. It differs
# from the decimal literal only at 0.85, which becomes 0.8500000000000001; an IoU of exactly 17/20 fails it.
THRESHOLDS = 0.5 + np.arange(10) * 0.05


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs of a detection and a ground truth box that may match at the lowest threshold or a higher one."""

    detection: np.ndarray  # (P,) index of the detection, ascending; a lower one chooses earlier
    truth: np.ndarray  # (P,) index of the ground truth box
    iou: np.ndarray  # (P,) descending within a detection: the order in which it tries the boxes
    ignored_share: np.ndarray  # (D,) the largest share of each detection inside one ignored box (score 0) of its class
    truths: int  # number of ground truth boxes

    def only(self, chosen: np.ndarray) -> "Candidates":
        """Return the pairs of the detections where `chosen` (D,) is True; indices stay as they are."""
        pairs = chosen[self.detection]
        return replace(self, detection=self.detection[pairs], truth=self.truth[pairs], iou=self.iou[pairs])


def candidates(detections: np.ndarray, truth: np.ndarray) -> Candidates:
    """Pair the detections (D, 8) of an image, in order of choice, with the ground truth (G, 8) they may match.

    The arithmetic is the toolkit's, operation by operation: at a threshold the last bit decides.
    """
    left, top, width, height, _, category = detections[:, :6].T[:, :, None]  # (D, 1) each
    truth_left, truth_top, truth_width, truth_height, truth_score, truth_category = truth[:, :6].T  # (G,) each
    across = np.minimum(left + width, truth_left + truth_width) - np.maximum(left, truth_left)
    down = np.minimum(top + height, truth_top + truth_height) - np.maximum(top, truth_top)
    row, column = np.nonzero((across > 0) & (down > 0) & (category == truth_category))

    intersection = across[row, column] * down[row, column]
    detection_area = (width * height)[row, 0]
    ignored = truth_score[column] == 0
    overlap = intersection / np.where(
        ignored, detection_area, detection_area + (truth_width * truth_height)[column] - intersection
    )

    ignored_share = np.zeros(len(detections))
    np.maximum.at(ignored_share, row[ignored], overlap[ignored])
    enough = ~ignored & (overlap >= THRESHOLDS[0])
    detection, box, iou = row[enough], column[enough], overlap[enough]
    order = np.lexsort((-box, -iou, detection))  # on equal IoU the last ground truth box wins
    return Candidates(
        detection=detection[order], truth=box[order], iou=iou[order], ignored_share=ignored_share, truths=len(truth)
    )


def join(images: Sequence[Candidates]) -> Candidates:
    """Join the candidates of several images; indices go on from image to image."""
    first_detection = np.cumsum([0, *(len(image.ignored_share) for image in images)])
    first_truth = np.cumsum([0, *(image.truths for image in images)])
    return Candidates(
        detection=np.concatenate(
            [image.detection + first for image, first in zip(images, first_detection, strict=False)]
        ),
        truth=np.concatenate([image.truth + first for image, first in zip(images, first_truth, strict=False)]),
        iou=np.concatenate([image.iou for image in images]),
        ignored_share=np.concatenate([image.ignored_share for image in images]),
        truths=int(first_truth[-1]),
    )


def true_positives(pairs: Candidates) -> np.ndarray:
    """Candidates -> (D, 10) bool, True where a detection takes a ground truth box at a threshold."""
    return assign(pairs) >= 0


def assign(pairs: Candidates, choosing: np.ndarray | None = None) -> np.ndarray:
    """Candidates -> (D, 10) index of the ground truth box that each detection takes at each threshold, or -1.

    Args:
        pairs: Candidates.
        choosing: (D, 10) bool, the detections that take part at each threshold; None stands for all.
    """
    levels = len(THRESHOLDS)
    # A bidder is a detection with candidates at a threshold: its place among those detections * levels + level. Its
    # choices are a stretch of the pairs, cut where the IoU falls below the threshold.
    detections, start, place = np.unique(pairs.detection, return_index=True, return_inverse=True)
    end = np.repeat(start[:, None], levels, 1)
    np.add.at(end, place, pairs.iou[:, None] >= THRESHOLDS)
    if choosing is not None:
        end = np.where(choosing[detections], end, start[:, None])
    choice, end = np.repeat(start, levels), end.ravel()

    nobody = len(detections) * levels
    holder = np.full(pairs.truths * levels, nobody)
    bidder = np.flatnonzero(choice < end)
    while len(bidder):
        wanted = pairs.truth[choice[bidder]] * levels + bidder % levels
        before = holder[wanted]
        np.minimum.at(holder, wanted, bidder)  # same level, so the lower bidder is the earlier detection
        won = holder[wanted] == bidder
        ousted = before[won]
        refused = np.concatenate([bidder[~won], ousted[ousted != nobody]])
        choice[refused] += 1
        bidder = refused[choice[refused] < end[refused]]

    held = np.flatnonzero(holder != nobody)
    winner = holder[held]
    taken = np.full((len(pairs.ignored_share), levels), -1)
    taken[detections[winner // levels], winner % levels] = held // levels
    return taken
