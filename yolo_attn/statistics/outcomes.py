"""What became of every detection of a run: hit, wrong, or neither, at ten IoU thresholds. Matched once, used many times."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from yolo_attn.visdrone.evaluation.by_size import SIDES, in_range, range_name
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, true_positives
from yolo_attn.visdrone.evaluation.pooled import Pooled, pool, without_ignored
from yolo_attn.visdrone.evaluation.submission import Frame


@dataclass(frozen=True, eq=False)
class Outcomes:
    """D detections of C classes on P pictures, at T = 10 IoU thresholds.

    Attributes:
        category: (D,) class index.
        picture: (D,) index of the picture.
        hit: (D, T) bool, True where a detection takes a ground truth box.
        wrong: (D, T) bool, True where it is a false positive; where both are False it does not count.
        boxes: (C, P) ground truth boxes of a class in a picture.
        official: Whether AP is VisDrone's, and not COCO's.
    """

    category: np.ndarray
    picture: np.ndarray
    hit: np.ndarray
    wrong: np.ndarray
    boxes: np.ndarray
    official: bool


def pooled(frames: Sequence[Frame], official: bool) -> Pooled:
    """Frames of a run -> their rows in one pool, without what the ignored regions of the official protocol remove."""
    with np.errstate(over="ignore", invalid="ignore"):  # a box of 1e308 pixels overflows, and matches nothing
        return pool([without_ignored(frame) for frame in frames] if official else frames)


def outcomes(rows: Pooled, pictures: int, classes: int, official: bool) -> Outcomes:
    """Rows of a run -> the outcomes by which AP over all object sizes is computed."""
    hit = true_positives(rows.pairs)
    wrong = ~hit & (rows.pairs.ignored_share[:, None] < THRESHOLDS)
    return _by_score(rows, hit, wrong, np.ones(len(rows.truth), bool), pictures, classes, official)


def outcomes_by_size(rows: Pooled, pictures: int, classes: int, official: bool) -> dict[str, Outcomes]:
    """Rows of a run -> {range in words: outcomes of the objects in it}, as `by_size` keeps ranges apart."""
    by_range = {}
    for low, high in pairwise(SIDES):
        inside, hit, wrong = in_range(rows, low, high)
        by_range[range_name(low, high)] = _by_score(rows, hit, wrong, inside, pictures, classes, official)
    return by_range


def _by_score(
    rows: Pooled, hit: np.ndarray, wrong: np.ndarray, truth: np.ndarray, pictures: int, classes: int, official: bool
) -> Outcomes:
    """Sort by falling score, ties in the order of pictures, and count the boxes where `truth` (G,) is True."""
    category = rows.detections[:, 5].astype(int) - 1
    order = np.argsort(-rows.detections[:, 4], kind="stable")
    order = order[(category[order] >= 0) & (category[order] < classes)]
    boxes = np.zeros((classes, pictures), np.int32)
    of_box = rows.truth[:, 5].astype(int) - 1
    counted = truth & (of_box >= 0) & (of_box < classes)
    np.add.at(boxes, (of_box[counted], rows.truth_image[counted]), 1)
    return Outcomes(category[order], rows.image[order], hit[order], wrong[order], boxes, official)
