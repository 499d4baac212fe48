"""The official VisDrone-DET protocol: AP and AR of every class from folders of text files.

Protocol: https://github.com/VisDrone/VisDrone2018-DET-toolkit. It is not COCO's and not that of Ultralytics' `val`:
boxes half inside an ignored region are removed, detections are cut by file order over all classes together, AP is the
whole area under the precision envelope, and the class mean counts a class once for every image that contains it.
Numbers of different protocols do not belong in one column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation import coco as coco_protocol
from yolo_attn.visdrone.evaluation.ignored_regions import outside_regions
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, candidates, join, true_positives
from yolo_attn.visdrone.evaluation.result import MAX_DETECTIONS, Evaluation
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame, Submission, load

CATEGORIES = np.arange(1, len(NAMES) + 1)


def evaluate(
    annotations: Path, detections: Path, sizes: Mapping[str, tuple[int, int]], coco: bool = False
) -> Evaluation:
    """Evaluate detection files against annotation files -> AP, AP50, AP75 and AR at 1, 10, 100 and 500 detections.

    Args:
        annotations: Folder with one file per image, ignored regions (category 0) included.
        detections: Folder with files of the same names; rows sorted by falling score, at most 500.
        sizes: {stem: (width, height)} in pixels, as `sizes.read_sizes` gives them.
        coco: Add COCO's AP in a part of its own; needs faster-coco-eval.

    Raises:
        FileNotFoundError, ValueError, OSError: The input is not as above; see `submission.load`.
        ImportError: `coco` is asked for and faster-coco-eval is not installed.
    """
    submission = load(annotations, detections, sizes)
    result = evaluate_submission(submission)
    return replace(result, coco=coco_protocol.evaluate(submission)) if coco else result


def evaluate_submission(submission: Submission) -> Evaluation:
    """Frames in memory -> the official numbers."""
    with np.errstate(over="ignore", invalid="ignore"):  # a box of 1e308 pixels overflows, and matches nothing
        kept = [_without_ignored(frame) for frame in submission.frames]
        ap, ar = _class_scores(kept)
    return Evaluation(
        ap=ap,
        ar=ar,
        images_per_class=np.sum([np.isin(CATEGORIES, frame.annotations[:, 5]) for frame in kept], 0),
        kept={frame.stem: (len(frame.annotations), len(frame.detections)) for frame in kept},
        counts=_counts(submission.frames, kept),
        warnings=submission.warnings,
    )


def _without_ignored(frame: Frame) -> Frame:
    """Remove the ignored regions and the rows inside them."""
    is_region = frame.annotations[:, 5] == IGNORED_REGION
    regions, truth = frame.annotations[is_region], frame.annotations[~is_region]
    boxes = np.concatenate([truth, frame.detections])[:, :4]
    outside = outside_regions(boxes, regions[:, :4], frame.width, frame.height)
    detections = frame.detections[outside[len(truth) :]]
    return replace(frame, annotations=truth[outside[: len(truth)]], detections=detections)


def _class_scores(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all images -> AP (10 classes, 10 thresholds) and AR (10, 10, 4 limits) in percent."""
    # The detections of an image choose by falling score, equal scores in file order.
    orders = [np.argsort(-frame.detections[:MOST_ROWS, 4], kind="stable") for frame in frames]
    by_choice = [frame.detections[order] for frame, order in zip(frames, orders, strict=True)]
    pairs = join([candidates(rows, frame.annotations) for rows, frame in zip(by_choice, frames, strict=True)])
    detections, file_row = np.concatenate(by_choice), np.concatenate(orders)
    truth_categories = np.concatenate([frame.annotations[:, 5] for frame in frames])

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


def _counts(frames: Sequence[Frame], kept: Sequence[Frame]) -> dict[str, int]:
    regions = sum(int((frame.annotations[:, 5] == IGNORED_REGION).sum()) for frame in frames)
    truth = sum(len(frame.annotations) for frame in frames) - regions
    detections = sum(len(frame.detections) for frame in frames)
    return {
        "images": len(frames),
        "ignored_regions": regions,
        "ground_truth": truth,
        "ground_truth_dropped": truth - sum(len(frame.annotations) for frame in kept),
        "detections": detections,
        "detections_dropped": detections - sum(len(frame.detections) for frame in kept),
        "detections_cut": sum(max(0, len(frame.detections) - MOST_ROWS) for frame in kept),
    }
