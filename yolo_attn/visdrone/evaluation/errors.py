"""Hits, misses and false alarms: by class, as a confusion of classes, and by picture. Not official.

A detection counts if its score is at least a limit. It is a hit if it takes a box of its class in the official matching
at IoU 0.5, ignored if half of it lies in a score-0 box of its class, and a false alarm otherwise. A false alarm that
overlaps a missed box of another class by the same IoU is a confusion of the two classes; such boxes are taken by
falling score, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, assign, candidates, join
from yolo_attn.visdrone.evaluation.pooled import CATEGORIES, Pooled
from yolo_attn.visdrone.evaluation.submission import Frame

BACKGROUND = len(NAMES)  # index of the last row and column of the confusion
IOU = 0.5


@dataclass(frozen=True, eq=False)
class Picture:
    """The boxes of one picture, in rows of 8 columns as in the files."""

    stem: str
    hits: np.ndarray  # (H, 8) detections
    false_alarms: np.ndarray  # (F, 8) detections
    misses: np.ndarray  # (M, 8) ground truth
    ignored_regions: np.ndarray  # (R, 8)

    @property
    def errors(self) -> int:
        """Misses and false alarms together."""
        return len(self.misses) + len(self.false_alarms)


@dataclass(frozen=True, eq=False)
class Errors:
    """Counts at IoU 0.5 and the scores from `confidence` on.

    Attributes:
        confidence: The lowest score that counts.
        detections: (10,) detections by class, those neither right nor wrong included.
        confusion: (11, 11) from the class of the box to that of the detection; the last row counts false alarms where no
            missed box is, the last column boxes that nothing covers.
        pictures: The boxes of every picture, those with the most errors first.
    """

    confidence: float
    detections: np.ndarray
    confusion: np.ndarray
    pictures: tuple[Picture, ...]

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """Ground truth, detections, hits, misses and false alarms of each class."""
        hits = self.confusion.diagonal()
        truth, found = self.confusion.sum(1), self.confusion.sum(0)
        return [
            {
                "name": name,
                "ground_truth": int(truth[index]),
                "detections": int(self.detections[index]),
                "hits": int(hits[index]),
                "misses": int(truth[index] - hits[index]),
                "false_alarms": int(found[index] - hits[index]),
            }
            for index, name in enumerate(NAMES)
        ]


def find_errors(rows: Pooled, frames: Sequence[Frame], confidence: float) -> Errors:
    """Sort the detections of `frames` into right and wrong; `rows` is their pool without what ignored regions remove."""
    right_or_wrong = right_and_wrong(rows, CATEGORIES, confidence)
    counts = np.isin(rows.detections[:, 5], CATEGORIES) & (rows.detections[:, 4] >= confidence)
    return Errors(
        confidence=confidence,
        detections=np.bincount(_indices(rows.detections[counts]), minlength=len(NAMES)),
        confusion=_confusion(rows, len(frames), *right_or_wrong),
        pictures=tuple(sorted(by_picture(rows, frames, *right_or_wrong), key=lambda picture: -picture.errors)),
    )


def right_and_wrong(
    rows: Pooled, categories: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which detections (D,) are hits, which are false alarms, and which boxes (G,) are missed; all bool.

    Args:
        rows: The rows of a run, without what ignored regions remove.
        categories: Those that count.
        confidence: Lowest score, 0 to 1, of the detections that count.
    """
    is_class, box_is_class = (np.isin(boxes[:, 5], categories) for boxes in (rows.detections, rows.truth))
    counts = is_class & (rows.detections[:, 4] >= confidence)
    taken = assign(rows.pairs.only(counts))[:, 0]
    hit = taken >= 0
    false_alarm = counts & ~hit & (rows.pairs.ignored_share < THRESHOLDS[0])
    missed = box_is_class & (rows.truth[:, 4] != 0)
    missed[taken[hit]] = False
    return hit, false_alarm, missed


def by_picture(
    rows: Pooled, frames: Sequence[Frame], hit: np.ndarray, false_alarm: np.ndarray, missed: np.ndarray
) -> list[Picture]:
    """Sort the boxes that `right_and_wrong` tells apart by the picture they are in; `frames` are those of the rows."""
    boxes = zip(
        frames,
        _split(rows.detections[hit], rows.image[hit], len(frames)),
        _split(rows.detections[false_alarm], rows.image[false_alarm], len(frames)),
        _split(rows.truth[missed], rows.truth_image[missed], len(frames)),
        strict=True,
    )
    return [
        Picture(frame.stem, hits, false_alarms, misses, frame.annotations[frame.annotations[:, 5] == IGNORED_REGION])
        for frame, hits, false_alarms, misses in boxes
    ]


def _confusion(rows: Pooled, images: int, hit: np.ndarray, false_alarm: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Count hits (D,), false alarms (D,) and missed boxes (G,), all bool -> (11, 11), as in `Errors`."""
    confusion = np.zeros((BACKGROUND + 1, BACKGROUND + 1), int)
    found = _indices(rows.detections[hit])
    np.add.at(confusion, (found, found), 1)
    wrong, boxes, taken = _confused(rows, images, false_alarm, missed)
    of_box, covered = np.append(_indices(boxes), BACKGROUND), np.zeros(len(boxes), bool)
    np.add.at(confusion, (of_box[taken], _indices(wrong)), 1)  # taken -1 is the background
    covered[taken[taken >= 0]] = True
    confusion[:, BACKGROUND] += np.bincount(of_box[:-1][~covered], minlength=BACKGROUND + 1)
    return confusion


def _confused(
    rows: Pooled, images: int, false_alarm: np.ndarray, missed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the false alarms (F, 8), the missed boxes (M, 8), and the index (F,) of the box that each alarm covers, or -1."""
    wrong, boxes = rows.detections[false_alarm], rows.truth[missed]
    found, there = wrong.copy(), boxes.copy()
    found[:, 5] = there[:, 5] = 0  # any class matches any
    by_picture = zip(
        _split(found, rows.image[false_alarm], images), _split(there, rows.truth_image[missed], images), strict=True
    )
    return wrong, boxes, assign(join([candidates(*pair) for pair in by_picture]))[:, 0]


def _indices(boxes: np.ndarray) -> np.ndarray:
    """Rows (N, 8) of the ten classes -> class indices (N,) from 0."""
    return boxes[:, 5].astype(int) - 1


def _split(rows: np.ndarray, image: np.ndarray, images: int) -> list[np.ndarray]:
    """Rows (N, 8) and the number of the image of each, ascending -> the rows of each image."""
    return np.split(rows, np.searchsorted(image, np.arange(1, images)))
