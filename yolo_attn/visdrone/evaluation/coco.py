"""COCO's AP on VisDrone files, ignored regions as crowd. A second protocol, not comparable with the official one.

Every class gets every ignored region as a crowd box, and score-0 boxes are crowd in their class: a detection there is
neither right nor wrong. The best 500 detections of each class in an image count, AP is sampled at 101 recalls, and the
class mean is plain.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Submission


@dataclass(frozen=True)
class CocoColumn:
    """COCO's three numbers in percent; NaN without ground truth."""

    AP: float
    AP50: float
    AP75: float


def evaluate(submission: Submission) -> CocoColumn:
    """Evaluate all frames of a split by COCO's protocol, computed by faster-coco-eval.

    Raises:
        ImportError: faster-coco-eval is not installed; the message says how to get it.
    """
    try:
        from faster_coco_eval.core import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise ImportError(
            "COCO column: faster-coco-eval is not installed; run `pip install 'yolo-attn[coco]'`"
        ) from error
    truth = COCO(dataset(submission))
    judge = COCOeval_faster(truth, truth.loadRes(results(submission)), "bbox", print_function=lambda *_: None)
    judge.params.maxDets = [1, 10, 100, MOST_ROWS]
    judge.evaluate()
    judge.accumulate()
    # Not `summarize`: with four limits it reports AP at 100 detections.
    precision = judge.eval["precision"][:, :, :, judge.params.areaRngLbl.index("all"), -1]  # (10, 101, classes)
    by_threshold = [float(100 * np.mean(row[row > -1])) if (row > -1).any() else float("nan") for row in precision]
    return CocoColumn(float(np.mean(by_threshold)), by_threshold[0], by_threshold[5])


def dataset(submission: Submission) -> dict[str, Any]:
    """Return the ground truth in COCO's layout: images numbered from 1 in frame order, regions and score-0 boxes as crowd."""
    annotations: list[dict[str, Any]] = []
    for image, frame in enumerate(submission.frames, 1):
        rows = frame.annotations
        regions = rows[rows[:, 5] == IGNORED_REGION]
        for category in range(1, len(NAMES) + 1):
            of_class = rows[rows[:, 5] == category]
            crowd = np.concatenate([of_class[:, 4] == 0, np.ones(len(regions), bool)])
            for box, ignored in zip(np.concatenate([of_class, regions])[:, :4].tolist(), crowd.tolist(), strict=True):
                number = len(annotations) + 1  # from 1: pycocotools takes id 0 for "not matched"
                entry = {"id": number, "image_id": image, "category_id": category, "iscrowd": int(ignored)}
                annotations.append(entry | {"bbox": box, "area": box[2] * box[3]})
    return {
        "images": [
            {"id": image, "file_name": frame.stem, "width": frame.width, "height": frame.height}
            for image, frame in enumerate(submission.frames, 1)
        ],
        "categories": [{"id": category, "name": name} for category, name in enumerate(NAMES, 1)],
        "annotations": annotations,
    }


def results(submission: Submission) -> np.ndarray:
    """Return the detections of the ten classes, (N, 7) image, left, top, width, height, score, category, for COCO.loadRes."""
    rows = [
        np.column_stack([np.full(len(frame.detections), image), frame.detections[:, :6]])
        for image, frame in enumerate(submission.frames, 1)
    ]
    detections = np.concatenate([np.empty((0, 7)), *rows])
    return detections[np.isin(detections[:, 6], np.arange(1, len(NAMES) + 1))]
