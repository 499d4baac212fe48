"""Ultralytics' mean average precision for boxes that come from anywhere: its matching and its precision-recall curves."""

from types import SimpleNamespace

import numpy as np
import torch
from ultralytics.engine.validator import BaseValidator
from ultralytics.utils.metrics import ap_per_class, box_iou

THRESHOLDS = torch.linspace(0.5, 0.95, 10)  # IoU thresholds of Ultralytics' validator


def match_predictions(
    boxes: torch.Tensor, classes: torch.Tensor, true_boxes: torch.Tensor, true_classes: torch.Tensor
) -> np.ndarray:
    """Boxes (N, 4) xyxy and classes (N,) of one image, best first, and its ground truth -> (N, 10): hits at each of THRESHOLDS."""
    # The method reads nothing of its validator but the thresholds, and Ultralytics has no function of the kind.
    validator = SimpleNamespace(iouv=THRESHOLDS)
    return BaseValidator.match_predictions(validator, classes, true_classes, box_iou(true_boxes, boxes)).numpy()


def average_precision(
    hits: np.ndarray, scores: np.ndarray, classes: np.ndarray, true_classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hits (N, 10), scores (N,) and classes (N,) of all images, and the true classes (M,) -> average precision (K, 10), 0 to 1.

    The second result is the K classes that have ground truth, to which the rows of the first belong.
    """
    results = ap_per_class(hits, scores, classes, true_classes)
    average, kinds = results[5], results[6]
    return np.asarray(average).reshape(-1, len(THRESHOLDS)), np.asarray(kinds)
