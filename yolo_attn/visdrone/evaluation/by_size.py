"""AP and recall of the objects of one range of sizes. Not official: the toolkit knows no sizes.

Everything is done as in the official protocol, and the range is kept apart as COCO does it: a ground truth box outside
the range is ignored, which makes the detection that takes it neither right nor wrong, and a detection that takes no box
counts as wrong only if its own area lies in the range. A detection takes a box of the range wherever it can; a box
outside the range can be taken once and by IoU, like any other, so a second detection there counts. A class weighs as
many images as have it in the range. So one range from 0 to infinity gives the official numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.curves import average_precision
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, Candidates, assign
from yolo_attn.visdrone.evaluation.pooled import CATEGORIES, Pooled

SIDES = (0, 8, 16, 32, 96, math.inf)  # borders of the ranges, as sides of a square in pixels


@dataclass(frozen=True)
class SizeScore:
    """Numbers in percent for the boxes with low² <= width * height < high² in pixels; NaN without ground truth there.

    Attributes:
        low: Side in pixels, included.
        high: Side in pixels, not included.
        ground_truth: Boxes of the ten classes in the range, score 0 included, as the official recall counts them.
        AP: Mean over IoU thresholds 0.5 to 0.95; AP50 and AP75 at one.
        AR500: Recall at 500 detections, mean over the same thresholds.
        recall50: The same at IoU 0.5.
        per_class: {class: the same six numbers by name} of the classes in the range.
    """

    low: float
    high: float
    ground_truth: int
    AP: float
    AP50: float
    AP75: float
    AR500: float
    recall50: float
    per_class: dict[str, dict[str, float]]

    @property
    def name(self) -> str:
        """The range in words, such as "8² to 16²"."""
        return range_name(self.low, self.high)


def range_name(low: float, high: float) -> str:
    """The sides of a range in pixels -> the range in words, such as "8² to 16²"."""
    if low == 0:
        return "all" if math.isinf(high) else f"below {high:g}²"
    return f"{low:g}² and above" if math.isinf(high) else f"{low:g}² to {high:g}²"


def score_by_size(rows: Pooled, sides: Sequence[float] = SIDES) -> tuple[SizeScore, ...]:
    """Score the range between each two neighbours of `sides`, which rise."""
    return tuple(_score(rows, low, high) for low, high in pairwise(sides))


def in_range(rows: Pooled, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes of a range (G,), and at each threshold its hits (D, 10) and its false positives (D, 10), all bool."""
    truth_inside, detection_inside = (_inside(boxes, low, high) for boxes in (rows.truth, rows.detections))
    hit = assign(_pairs_of(rows.pairs, truth_inside)) >= 0
    # What is left may take an ignored box. No such choice changes a hit, so this can come second.
    excused = assign(_with_score_0(_pairs_of(rows.pairs, ~truth_inside)), ~hit) >= 0
    return truth_inside, hit, ~hit & ~excused & detection_inside[:, None]


def _score(rows: Pooled, low: float, high: float) -> SizeScore:
    truth_inside, hit, wrong = in_range(rows, low, high)
    numbers, weights = np.zeros((len(NAMES), 5)), np.zeros(len(NAMES))
    totals = [truth_inside & (rows.truth[:, 5] == category) for category in CATEGORIES]
    for index, (of_class, of_truth) in enumerate(zip(rows.by_score, totals, strict=True)):
        if total := int(of_truth.sum()):
            ap = average_precision(hit[of_class], wrong[of_class], total)
            recall = 100 * (hit[of_class].sum(0) / total)
            numbers[index] = ap.mean(), ap[0], ap[5], recall.mean(), recall[0]
            weights[index] = len(np.unique(rows.truth_image[of_truth]))
    mean = np.average(numbers, 0, weights) if weights.any() else np.full(5, np.nan)
    names = ("AP", "AP50", "AP75", "AR500", "recall50")
    per_class = {
        name: {"ground_truth": int(of_truth.sum())} | dict(zip(names, values.tolist(), strict=True))
        for name, values, of_truth in zip(NAMES, numbers, totals, strict=True)
        if of_truth.any()
    }
    return SizeScore(
        low, high, int(np.sum(totals)), **dict(zip(names, mean.tolist(), strict=True)), per_class=per_class
    )


def _inside(boxes: np.ndarray, low: float, high: float) -> np.ndarray:
    area = boxes[:, 2] * boxes[:, 3]
    return (low**2 <= area) & ((area < high**2) | math.isinf(high))  # the area of a box of 1e308 pixels is infinite


def _pairs_of(pairs: Candidates, chosen: np.ndarray) -> Candidates:
    """Keep the pairs of the ground truth boxes where `chosen` (G,) is True."""
    keep = chosen[pairs.truth]
    return replace(pairs, detection=pairs.detection[keep], truth=pairs.truth[keep], iou=pairs.iou[keep])


def _with_score_0(pairs: Candidates) -> Candidates:
    """Add the score-0 boxes: one of its own for every detection inside one, as any number of detections may take it."""
    inside = np.flatnonzero(pairs.ignored_share >= THRESHOLDS[0])
    detection = np.concatenate([inside, pairs.detection])  # first: at equal overlap it leaves the other box free
    truth = np.concatenate([pairs.truths + np.arange(len(inside)), pairs.truth])
    iou = np.concatenate([pairs.ignored_share[inside], pairs.iou])
    order = np.lexsort((-iou, detection))  # stable
    return replace(
        pairs, detection=detection[order], truth=truth[order], iou=iou[order], truths=pairs.truths + len(inside)
    )
