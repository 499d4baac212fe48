"""The official VisDrone-DET protocol: AP and AR of every class from the frames of a split.

Protocol: https://github.com/VisDrone/VisDrone2018-DET-toolkit. It is not COCO's and not that of Ultralytics' `val`:
boxes half inside an ignored region are removed, detections are cut by file order over all classes together, AP is the
whole area under the precision envelope, and the class mean counts a class once for every image that contains it.
Numbers of different protocols do not belong in one column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation.ignored_regions import outside_regions
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, candidates, join, true_positives
from yolo_attn.visdrone.evaluation.result import MAX_DETECTIONS, Evaluation
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame, Submission

CATEGORIES = np.arange(1, len(NAMES) + 1)


@dataclass(frozen=True, eq=False)
class _KeptRows:
    """Ground truth (G, 8) and detections (D, 8) of a frame that its ignored regions leave, in file order."""

    truth: np.ndarray
    detections: np.ndarray


def evaluate_submission(submission: Submission) -> Evaluation:
    """Frames in memory -> the official numbers."""
    with np.errstate(over="ignore", invalid="ignore"):  # a box of 1e308 pixels overflows, and matches nothing
        kept = [_without_ignored(frame) for frame in submission.frames]
        ap, ar = _class_scores(kept)
    return Evaluation(
        ap=ap,
        ar=ar,
        images_per_class=np.sum([np.isin(CATEGORIES, rows.truth[:, 5]) for rows in kept], 0),
        kept={
            frame.stem: (len(rows.truth), len(rows.detections))
            for frame, rows in zip(submission.frames, kept, strict=True)
        },
        counts=_counts(submission.frames, kept),
        warnings=submission.warnings,
    )


def _without_ignored(frame: Frame) -> _KeptRows:
    is_region = frame.annotations[:, 5] == IGNORED_REGION
    regions, truth = frame.annotations[is_region], frame.annotations[~is_region]
    boxes = np.concatenate([truth, frame.detections])[:, :4]
    outside = outside_regions(boxes, regions[:, :4], frame.width, frame.height)
    return _KeptRows(truth=truth[outside[: len(truth)]], detections=frame.detections[outside[len(truth) :]])


def _class_scores(kept: Sequence[_KeptRows]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all images -> AP (10 classes, 10 thresholds) and AR (10, 10, 4 limits) in percent."""
    # The detections of an image choose by falling score, equal scores in file order.
    orders = [np.argsort(-rows.detections[:MOST_ROWS, 4], kind="stable") for rows in kept]
    choosing = [rows.detections[order] for rows, order in zip(kept, orders, strict=True)]
    pairs = join([candidates(found, rows.truth) for found, rows in zip(choosing, kept, strict=True)])
    detections, file_row = np.concatenate(choosing), np.concatenate(orders)
    truth_categories = np.concatenate([rows.truth[:, 5] for rows in kept])

    # Rows beyond a limit leave before the matching: in an unsorted file they may hold the better detections.
    taken = [true_positives(pairs.only(file_row < limit)) for limit in MAX_DETECTIONS]
    ap = np.zeros((len(NAMES), len(THRESHOLDS)))
    ar = np.zeros((len(NAMES), len(THRESHOLDS), len(MAX_DETECTIONS)))
    for index, category in enumerate(CATEGORIES):
        of_class = np.flatnonzero(detections[:, 5] == category)
        by_score = of_class[np.argsort(-detections[of_class, 4], kind="stable")]  # ties: image order, then file order
        total = max(1, int((truth_categories == category).sum()))  # score-0 boxes count, although none can be found
        hit = taken[-1][by_score]
        wrong = ~hit & (pairs.ignored_share[by_score, None] < THRESHOLDS)
        ap[index] = _area_under_envelope(hit, wrong, total)
        ar[index] = np.stack([100 * (hits[of_class].sum(0) / total) for hits in taken], -1)
    return ap, ar


def _area_under_envelope(hit: np.ndarray, wrong: np.ndarray, total: int) -> np.ndarray:
    """True and false positives (D, T) by falling score -> AP (T,) in percent, the area of VOC 2010 over all points."""
    hits = hit.cumsum(0)
    precision = hits / np.maximum(1, hits + wrong.cumsum(0))
    envelope = np.maximum.accumulate(precision[::-1], 0)[::-1]
    return 100 * np.where(hit, envelope / total, 0).sum(0)  # recall rises by 1 / total at every hit and only there


def _counts(frames: Sequence[Frame], kept: Sequence[_KeptRows]) -> dict[str, int]:
    regions = sum(int((frame.annotations[:, 5] == IGNORED_REGION).sum()) for frame in frames)
    truth = sum(len(frame.annotations) for frame in frames) - regions
    detections = sum(len(frame.detections) for frame in frames)
    return {
        "images": len(frames),
        "ignored_regions": regions,
        "ground_truth": truth,
        "ground_truth_dropped": truth - sum(len(rows.truth) for rows in kept),
        "detections": detections,
        "detections_dropped": detections - sum(len(rows.detections) for rows in kept),
        "detections_cut": sum(max(0, len(rows.detections) - MOST_ROWS) for rows in kept),
    }
