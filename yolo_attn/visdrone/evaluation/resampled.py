"""The official AP over images drawn with replacement, from one matching of every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.curves import precision_envelope
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, true_positives
from yolo_attn.visdrone.evaluation.pooled import CATEGORIES, pool, without_ignored
from yolo_attn.visdrone.evaluation.submission import Frame


@dataclass(frozen=True, eq=False)
class ClassRows:
    """The detections of one class by falling score."""

    image: np.ndarray  # (D,) number of the image
    hit: np.ndarray  # (D, 10 thresholds) bool
    wrong: np.ndarray  # (D, 10 thresholds) bool


@dataclass(frozen=True, eq=False)
class MatchedImages:
    """Images whose detections were matched; matching knows no other image, so any choice of them needs no second one."""

    classes: tuple[ClassRows, ...]
    truths: np.ndarray  # (images, 10 classes) ground truth boxes outside the ignored regions

    def __len__(self) -> int:
        return len(self.truths)

    def ap(self, index: np.ndarray) -> float:
        """Official AP in percent over the images at `index`, which may repeat; NaN without any ground truth.

        An image drawn n times counts as n images with the same files.
        """
        drawn = np.bincount(index, minlength=len(self))
        weights = drawn @ (self.truths > 0)
        if not weights.any():
            return float("nan")
        totals = np.maximum(1, drawn @ self.truths)
        ap = [_average_precision(rows, drawn, total) for rows, total in zip(self.classes, totals, strict=True)]
        return float(np.average(ap, weights=weights))


def match(frames: Sequence[Frame]) -> MatchedImages:
    """Match the detections of every image by the official protocol."""
    kept = [without_ignored(frame) for frame in frames]
    rows = pool(kept)
    hits = true_positives(rows.pairs)
    wrong = ~hits & (rows.pairs.ignored_share[:, None] < THRESHOLDS)
    return MatchedImages(
        classes=tuple(ClassRows(rows.image[by], hits[by], wrong[by]) for by in rows.by_score),
        truths=np.array([(frame.annotations[:, 5, None] == CATEGORIES).sum(0) for frame in kept]).reshape(
            -1, len(NAMES)
        ),
    )


def _average_precision(rows: ClassRows, drawn: np.ndarray, total: int) -> float:
    """The mean over thresholds, in percent.

    Copies of an image stand next to each other in the order of scores. The envelope is the same for all copies of a hit, as precision
    rises from one to the next.
    """
    times = drawn[rows.image, None]
    hit, wrong = rows.hit * times, rows.wrong * times
    return 100 * float((hit * precision_envelope(hit, wrong) / total).sum(0).mean())
