"""Misses and false alarms by picture: where two models differ, a reader wants to see the pictures."""

import numpy as np

from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, assign
from yolo_attn.visdrone.evaluation.pooled import Pooled

CONFIDENCE = 0.25  # Ultralytics' for predictions


def picture_errors(rows: Pooled, pictures: int, classes: int, confidence: float = CONFIDENCE) -> np.ndarray:
    """Rows of a run -> (P,) misses and false alarms at IoU 0.5, of detections with at least this score."""
    categories = np.arange(1, classes + 1)
    counts = np.isin(rows.detections[:, 5], categories) & (rows.detections[:, 4] >= confidence)
    taken = assign(rows.pairs.only(counts))[:, 0]
    hit = taken >= 0
    false_alarm = counts & ~hit & (rows.pairs.ignored_share < THRESHOLDS[0])
    missed = np.isin(rows.truth[:, 5], categories) & (rows.truth[:, 4] != 0)
    missed[taken[hit]] = False
    return np.bincount(rows.image[false_alarm], minlength=pictures) + np.bincount(
        rows.truth_image[missed], minlength=pictures
    )
