"""Folders of VisDrone text files -> the official numbers, and COCO's beside them on request."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from yolo_attn.visdrone.evaluation import coco as coco_protocol
from yolo_attn.visdrone.evaluation.official import evaluate_submission
from yolo_attn.visdrone.evaluation.result import Evaluation
from yolo_attn.visdrone.evaluation.submission import load


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
    if coco:
        coco_protocol.require_backend()
    submission = load(annotations, detections, sizes)
    result = evaluate_submission(submission)
    return replace(result, coco=coco_protocol.evaluate(submission)) if coco else result
