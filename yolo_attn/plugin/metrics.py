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
    """Boxes of one image, best first, and its ground truth -> (N, 10): which boxes count as hits at each of THRESHOLDS.

    Args:
        boxes: (N, 4) xyxy in pixels, by falling score.
        classes: (N,).
        true_boxes: (M, 4) xyxy in pixels.
        true_classes: (M,).
    """
    # The method reads nothing of its validator but the thresholds, and Ultralytics has no function of the kind.
    validator = SimpleNamespace(iouv=THRESHOLDS)
    return BaseValidator.match_predictions(validator, classes, true_classes, box_iou(true_boxes, boxes)).numpy()


def average_precision(
    hits: np.ndarray, scores: np.ndarray, classes: np.ndarray, true_classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of all images -> (K, 10) average precision, 0 to 1, and the K classes that have ground truth.

    Args:
        hits: (N, 10) of `match_predictions`.
        scores: (N,).
        classes: (N,).
        true_classes: (M,) of all images.
    """
    results = ap_per_class(hits, scores, classes, true_classes)
    average, kinds = results[5], results[6]
    return np.asarray(average).reshape(-1, len(THRESHOLDS)), np.asarray(kinds)
