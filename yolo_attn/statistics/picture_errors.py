"""Misses and false alarms by picture: where two models differ, a reader wants to see the pictures."""

import numpy as np

from yolo_attn.visdrone.evaluation.errors import right_and_wrong
from yolo_attn.visdrone.evaluation.pooled import Pooled

CONFIDENCE = 0.25  # Ultralytics' for predictions


def picture_errors(rows: Pooled, pictures: int, classes: int, confidence: float = CONFIDENCE) -> np.ndarray:
    """Rows of a run -> (P,) misses and false alarms at IoU 0.5, of detections with at least this score."""
    _, false_alarm, missed = right_and_wrong(rows, np.arange(1, classes + 1), confidence)
    return np.bincount(rows.image[false_alarm], minlength=pictures) + np.bincount(
        rows.truth_image[missed], minlength=pictures
    )
