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
from yolo_attn.visdrone.evaluation.by_size import score_by_size
from yolo_attn.visdrone.evaluation.curves import RECALLS, average_precision, precision_over_recall
from yolo_attn.visdrone.evaluation.errors import find_errors
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, true_positives
from yolo_attn.visdrone.evaluation.pooled import CATEGORIES, Pooled, pool, without_ignored
from yolo_attn.visdrone.evaluation.result import MAX_DETECTIONS, Evaluation
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame, Submission, load

CONFIDENCE = 0.25  # Ultralytics' for predictions and its confusion matrix


def evaluate(
    annotations: Path,
    detections: Path,
    sizes: Mapping[str, tuple[int, int]],
    coco: bool = False,
    details: bool = False,
    confidence: float = CONFIDENCE,
) -> Evaluation:
    """Evaluate detection files against annotation files -> AP, AP50, AP75 and AR at 1, 10, 100 and 500 detections.

    Args:
        annotations: Folder with one file per image, ignored regions (category 0) included.
        detections: Folder with files of the same names; rows sorted by falling score, at most 500.
        sizes: {stem: (width, height)} in pixels, as `sizes.read_sizes` gives them.
        coco: Add COCO's AP in a part of its own; needs faster-coco-eval.
        details: Add AP and recall by object size, errors by class and picture, and precision over recall. Not official.
        confidence: Lowest score, 0 to 1, of the detections that the errors count.

    Raises:
        FileNotFoundError, ValueError, OSError: The input is not as above; see `submission.load`.
        ImportError: `coco` is asked for and faster-coco-eval is not installed.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence is {confidence:g}; scores lie between 0 and 1, give a number in that range")
    submission = load(annotations, detections, sizes)
    result = evaluate_submission(submission, details, confidence)
    return replace(result, coco=coco_protocol.evaluate(submission)) if coco else result


def evaluate_submission(submission: Submission, details: bool = False, confidence: float = CONFIDENCE) -> Evaluation:
    """Frames in memory -> the official numbers, and with `details` what they are made of."""
    with np.errstate(over="ignore", invalid="ignore"):  # a box of 1e308 pixels overflows, and matches nothing
        kept = [without_ignored(frame) for frame in submission.frames]
        rows = pool(kept)
        ap, ar = _class_scores(rows)
        result = Evaluation(
            ap=ap,
            ar=ar,
            images_per_class=np.sum([np.isin(CATEGORIES, frame.annotations[:, 5]) for frame in kept], 0),
            kept={frame.stem: (len(frame.annotations), len(frame.detections)) for frame in kept},
            counts=_counts(submission.frames, kept),
            warnings=submission.warnings,
        )
        if details:
            errors = find_errors(rows, submission.frames, confidence)
            result = replace(result, by_size=score_by_size(rows), errors=errors, curves=_curves(rows))
    return result


def _class_scores(rows: Pooled) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all images -> AP (10 classes, 10 thresholds) and AR (10, 10, 4 limits) in percent."""
    # Rows beyond a limit leave before the matching: in an unsorted file they may hold the better detections.
    taken = [true_positives(rows.pairs.only(rows.file_row < limit)) for limit in MAX_DETECTIONS]
    ap = np.zeros((len(NAMES), len(THRESHOLDS)))
    ar = np.zeros((len(NAMES), len(THRESHOLDS), len(MAX_DETECTIONS)))
    for index, by_score in enumerate(rows.by_score):
        total = max(1, rows.boxes_of(index))
        hit = taken[-1][by_score]
        wrong = ~hit & (rows.pairs.ignored_share[by_score, None] < THRESHOLDS)
        ap[index] = average_precision(hit, wrong, total)
        ar[index] = np.stack([100 * (hits[by_score].sum(0) / total) for hits in taken], -1)
    return ap, ar


def _curves(rows: Pooled) -> np.ndarray:
    """Precision (10 classes, 101 recalls) at IoU 0.5, 0 to 1; NaN for a class without ground truth."""
    taken = true_positives(rows.pairs)[:, 0]
    curves = np.full((len(NAMES), len(RECALLS)), np.nan)
    for index, by_score in enumerate(rows.by_score):
        hit = taken[by_score]
        wrong = ~hit & (rows.pairs.ignored_share[by_score] < THRESHOLDS[0])
        if total := rows.boxes_of(index):
            curves[index] = precision_over_recall(hit, wrong, total)
    return curves


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
