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
    category, truth_category = rows.detections[:, 5], rows.truth[:, 5]
    counts = np.isin(category, CATEGORIES) & (rows.detections[:, 4] >= confidence)
    taken = assign(rows.pairs.only(counts))[:, 0]
    hit = taken >= 0
    false_alarm = counts & ~hit & (rows.pairs.ignored_share < THRESHOLDS[0])
    missed = np.isin(truth_category, CATEGORIES) & (rows.truth[:, 4] != 0)
    missed[taken[hit]] = False

    kind, truth_kind = (np.where(np.isin(c, CATEGORIES), c - 1, 0).astype(int) for c in (category, truth_category))
    confusion = np.zeros((BACKGROUND + 1, BACKGROUND + 1), int)
    np.add.at(confusion, (kind[hit], kind[hit]), 1)
    wrong, confused_with = _confused(rows, len(frames), false_alarm, missed)
    covers = confused_with >= 0
    np.add.at(confusion, (truth_kind[confused_with[covers]], kind[wrong[covers]]), 1)
    np.add.at(confusion, (BACKGROUND, kind[wrong[~covers]]), 1)
    uncovered = missed.copy()
    uncovered[confused_with[covers]] = False
    np.add.at(confusion, (truth_kind[uncovered], BACKGROUND), 1)

    by_picture = zip(
        frames,
        _split(rows.detections[hit], rows.image[hit], len(frames)),
        _split(rows.detections[false_alarm], rows.image[false_alarm], len(frames)),
        _split(rows.truth[missed], rows.truth_image[missed], len(frames)),
        strict=True,
    )
    pictures = [
        Picture(frame.stem, hits, false_alarms, misses, frame.annotations[frame.annotations[:, 5] == IGNORED_REGION])
        for frame, hits, false_alarms, misses in by_picture
    ]
    return Errors(
        confidence=confidence,
        detections=np.bincount(kind[counts], minlength=len(NAMES)),
        confusion=confusion,
        pictures=tuple(sorted(pictures, key=lambda picture: -picture.errors)),
    )


def _confused(rows: Pooled, images: int, false_alarm: np.ndarray, missed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices (F,) of the false alarms, and the missed box that each covers, or -1."""
    wrong, boxes = np.flatnonzero(false_alarm), np.flatnonzero(missed)
    found, there = rows.detections[wrong], rows.truth[boxes]
    found[:, 5] = there[:, 5] = 0  # any class matches any
    by_picture = zip(
        _split(found, rows.image[wrong], images), _split(there, rows.truth_image[boxes], images), strict=True
    )
    taken = assign(join([candidates(*pair) for pair in by_picture]))[:, 0]
    return wrong, np.where(taken >= 0, np.append(boxes, -1)[taken], -1)


def _split(rows: np.ndarray, image: np.ndarray, images: int) -> list[np.ndarray]:
    """Rows (N, 8) and the number of the image of each, ascending -> the rows of each image."""
    return np.split(rows, np.searchsorted(image, np.arange(1, images)))
