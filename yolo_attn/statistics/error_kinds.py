"""Kinds of errors, and the AP that each costs. Bolya et al., TIDE, ECCV 2020, https://arxiv.org/abs/2008.08115

A false positive is of the first kind that fits, by its IoU with the ground truth of its picture: localisation (0.1 to 0.5 with
its class), class (0.5 or more with another class), duplicate (0.5 or more with a box of its class that is taken), background (at
most 0.1 with anything), and both. A box that nothing takes, and no localisation or class error points at, is missed.

An error is mended alone and AP is computed anew. Mended localisation and class errors are hits, the best-scored of each free box;
all other mended false positives are gone; mended boxes are no longer looked for. Counts and AP are those of the reference
implementation where COCO's AP is asked for. Under VisDrone's protocol AP is the official one, detections inside a box with score
0 are no errors, and such a box is not missed.
"""

from dataclasses import dataclass

import numpy as np

from yolo_attn.statistics.outcomes import Outcomes
from yolo_attn.statistics.weighted_ap import WeightedAP
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, assign
from yolo_attn.visdrone.evaluation.pooled import Pooled

FOREGROUND, BACKGROUND = THRESHOLDS[0], 0.1  # IoU
KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
RECALLS = np.arange(101) / 100  # TIDE's, which differ from COCO's in the last bit: at a recall of 7/25 it decides
CLASS, LOCALISATION, BOTH, DUPLICATE, NOTHING = range(5)


@dataclass(frozen=True)
class ErrorKind:
    """The errors of one kind, and what AP at IoU 0.5 would gain without them, in points and not below 0."""

    kind: str
    count: float  # or the mean of several runs
    dAP: float  # noqa: N815  TIDE's name


@dataclass(frozen=True)
class ErrorKinds:
    """AP at IoU 0.5 in percent, the kinds of errors, and what AP gains without any false positive or any false negative."""

    AP50: float
    kinds: tuple[ErrorKind, ...]
    false_positives_dAP: float  # noqa: N815  TIDE's name
    false_negatives_dAP: float  # noqa: N815  TIDE's name


@dataclass(frozen=True, eq=False)
class _Sorted:
    """D detections and G boxes that count, picture by picture."""

    category: np.ndarray  # (D,) class index
    score: np.ndarray  # (D,)
    hit: np.ndarray  # (D,) bool
    kind: np.ndarray  # (D,) index in KINDS, -1 for a hit
    target: np.ndarray  # (D,) the box that a localisation or class error points at, or -1
    truth_category: np.ndarray  # (G,)
    used: np.ndarray  # (G,) bool


def find_kinds(rows: Pooled, pictures: int, classes: int, official: bool) -> ErrorKinds:
    """Rows of a run, as `outcomes.pooled` gives them -> its kinds of errors."""
    found = _sort(rows, pictures, classes)
    boxes = np.zeros((classes, pictures), np.int64)
    known = np.isin(rows.truth[:, 5], np.arange(1, classes + 1))
    np.add.at(boxes, (rows.truth[known, 5].astype(int) - 1, rows.truth_image[known]), 1)
    totals, weights = boxes.sum(1), (boxes > 0).sum(1) if official else None

    def score(category: np.ndarray, hit: np.ndarray, keep: np.ndarray, totals: np.ndarray, scores: np.ndarray) -> float:
        return _mean_ap(category[keep], scores[keep], hit[keep], totals, weights)

    everything = np.ones(len(found.hit), bool)
    before = score(found.category, found.hit, everything, totals, found.score)
    mended = _best_of_each_target(found)
    kinds = []
    for index, name in enumerate(KINDS[:-1]):
        of_kind = found.kind == index
        becomes_hit = of_kind & mended
        category = (
            np.where(becomes_hit, found.truth_category[found.target], found.category)
            if mended.any()
            else found.category
        )
        after = score(category, found.hit | becomes_hit, ~of_kind | becomes_hit, totals, found.score)
        kinds.append(ErrorKind(name, int(of_kind.sum()), max(0.0, after - before)))
    missed = ~found.used
    missed[found.target[found.target >= 0]] = False
    after = score(found.category, found.hit, everything, totals - _per_class(found, missed, classes), found.score)
    kinds.append(ErrorKind(KINDS[-1], int(missed.sum()), max(0.0, after - before)))
    hits_first = score(found.category, found.hit, everything, totals, found.hit.astype(float))
    all_found = score(
        found.category, found.hit, everything, totals - _per_class(found, ~found.used, classes), found.score
    )
    return ErrorKinds(before, tuple(kinds), hits_first - before, all_found - before)


def _sort(rows: Pooled, pictures: int, classes: int) -> _Sorted:
    """Give every detection that counts its kind."""
    taken = assign(rows.pairs)[:, 0]
    hit = taken >= 0
    of_class = np.isin(rows.detections[:, 5], np.arange(1, classes + 1))
    counts = np.flatnonzero(of_class & (hit | (rows.pairs.ignored_share < FOREGROUND)))
    there = np.flatnonzero(np.isin(rows.truth[:, 5], np.arange(1, classes + 1)) & (rows.truth[:, 4] != 0))
    used = np.isin(there, taken[hit])
    detections, truth = rows.detections[counts], rows.truth[there]
    kind, target = np.full(len(counts), -1), np.full(len(counts), -1)
    borders = np.arange(pictures + 1)
    first, first_box = np.searchsorted(rows.image[counts], borders), np.searchsorted(rows.truth_image[there], borders)
    for picture in range(pictures):
        boxes = slice(first_box[picture], first_box[picture + 1])
        wrong = np.flatnonzero(~hit[counts[first[picture] : first[picture + 1]]]) + first[picture]
        kind[wrong], place = _kinds(detections[wrong], truth[boxes], used[boxes])
        target[wrong] = np.where(place >= 0, place + boxes.start, -1)
    target[target >= 0] = np.where(used[target[target >= 0]], -1, target[target >= 0])
    return _Sorted(
        detections[:, 5].astype(int) - 1, detections[:, 4], hit[counts], kind, target, truth[:, 5].astype(int) - 1, used
    )


def _kinds(wrong: np.ndarray, truth: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False positives (F, 8) and boxes (G, 8) of a picture -> kind (F,) and the box (F,) to which the error points, or -1."""
    if not len(truth):
        return np.full(len(wrong), NOTHING), np.full(len(wrong), -1)
    overlap = _iou(wrong, truth)
    same = wrong[:, 5:6] == truth[:, 5]
    own, other = overlap * same, overlap * ~same
    of_own, of_other, of_used = own.max(1), other.max(1), (own * used).max(1)
    cases = [
        (of_own >= BACKGROUND) & (of_own <= FOREGROUND),
        of_other >= FOREGROUND,
        of_used >= FOREGROUND,
        overlap.max(1) <= BACKGROUND,
    ]
    kind = np.select(cases, [LOCALISATION, CLASS, DUPLICATE, NOTHING], BOTH)
    place = np.select([kind == LOCALISATION, kind == CLASS], [own.argmax(1), other.argmax(1)], -1)
    return kind, place


def _iou(detections: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rows (F, 8) and (G, 8) -> IoU (F, G)."""
    left, top, width, height = detections[:, :4].T[:, :, None]
    truth_left, truth_top, truth_width, truth_height = truth[:, :4].T
    across = np.minimum(left + width, truth_left + truth_width) - np.maximum(left, truth_left)
    down = np.minimum(top + height, truth_top + truth_height) - np.maximum(top, truth_top)
    shared = across.clip(0) * down.clip(0)
    return shared / (width * height + truth_width * truth_height - shared)


def _best_of_each_target(found: _Sorted) -> np.ndarray:
    """Return (D,) bool, True for the detection with the highest score of all that point at the same free box."""
    pointing = np.flatnonzero(found.target >= 0)
    order = pointing[np.argsort(-found.score[pointing], kind="stable")]
    _, first = np.unique(found.target[order], return_index=True)
    best = np.zeros(len(found.hit), bool)
    best[order[first]] = True
    return best


def _per_class(found: _Sorted, boxes: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(found.truth_category[boxes], minlength=classes)


def _mean_ap(
    category: np.ndarray, scores: np.ndarray, hit: np.ndarray, totals: np.ndarray, weights: np.ndarray | None
) -> float:
    """The mean AP in percent: official with the weights of classes (C,), else over classes that have a box or a detection."""
    order = np.argsort(-scores, kind="stable")
    hits, nowhere = hit[order][:, None], np.zeros(len(order), int)
    outcomes = Outcomes(category[order], nowhere, hits, ~hits, totals[:, None], weights is not None)
    ap = WeightedAP(outcomes, RECALLS)(np.ones((1, 1), int))[0, :, 0]
    is_there = totals > 0
    detected = np.bincount(category, minlength=len(totals)) > 0
    weights = is_there | detected if weights is None else weights * is_there
    return float(np.average(np.nan_to_num(ap), weights=weights)) if weights.any() else 0.0
