"""The numbers of an evaluation, in percent: by class, their means, and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.by_size import SizeScore
from yolo_attn.visdrone.evaluation.coco import CocoColumn
from yolo_attn.visdrone.evaluation.curves import RECALLS
from yolo_attn.visdrone.evaluation.errors import IOU, Errors
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS

MAX_DETECTIONS = (1, 10, 100, MOST_ROWS)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Numbers in percent; NaN where there is nothing to average.

    Attributes:
        ap: (10 classes, 10 IoU thresholds); 0 for a class without ground truth, which no mean includes.
        ar: (10 classes, 10 IoU thresholds, 4 numbers of detections).
        images_per_class: (10,) images in which a class has ground truth outside the ignored regions, score 0 included.
        kept: {stem: (ground truth, detections)} that the ignored regions left.
        counts: Number of images, boxes and detections read, and of those dropped.
        warnings: Sentences about unusual input.
        coco: The COCO column, another protocol; None unless asked for.
        by_size: Scores of the ranges of object sizes, not official; None unless asked for, as the next two.
        errors: Hits, misses and false alarms at IoU 0.5.
        curves: (10 classes, 101 recalls) precision at IoU 0.5, 0 to 1.
    """

    ap: np.ndarray
    ar: np.ndarray
    images_per_class: np.ndarray
    kept: dict[str, tuple[int, int]]
    counts: dict[str, int]
    warnings: tuple[str, ...]
    coco: CocoColumn | None = None
    by_size: tuple[SizeScore, ...] | None = None
    errors: Errors | None = None
    curves: np.ndarray | None = None

    @property
    def official(self) -> dict[str, float]:
        """The seven official numbers: each class is weighted by the number of images that contain it."""
        return self._mean(self.images_per_class)

    @property
    def plain_class_mean(self) -> dict[str, float]:
        """The seven numbers with equal weights for all classes that have ground truth."""
        return self._mean(self.images_per_class > 0)

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """Name, category, images, AP, AP50 and AP75 of each class; NaN for a class without ground truth."""
        rows = zip(NAMES, self.images_per_class.tolist(), self.ap, strict=True)
        return [
            {"category": category, "name": name, "images": images} | _summary(ap if images else ap * np.nan)
            for category, (name, images, ap) in enumerate(rows, 1)
        ]

    def to_json(self) -> str:
        """The seven official numbers at the top, the rest in named parts; NaN written as null."""
        content = {
            **self.official,
            "plain_class_mean": self.plain_class_mean,
            "per_class": self.per_class,
            "counts": self.counts,
            "warnings": list(self.warnings),
            **({"coco": asdict(self.coco)} if self.coco else {}),
            **_details(self.by_size, self.errors, self.curves),
        }
        without_nan = json.loads(json.dumps(content), parse_constant=lambda _: None)
        return json.dumps(without_nan, indent=2, allow_nan=False)

    def _mean(self, weights: np.ndarray) -> dict[str, float]:
        if not weights.any():
            return dict.fromkeys(("AP", "AP50", "AP75", *(f"AR{most}" for most in MAX_DETECTIONS)), float("nan"))
        ap, ar = np.average(self.ap, 0, weights), np.average(self.ar, 0, weights).mean(0)
        return _summary(ap) | {f"AR{most}": float(value) for most, value in zip(MAX_DETECTIONS, ar, strict=True)}


def _summary(ap: np.ndarray) -> dict[str, float]:
    """AP by threshold (10,) -> the three numbers read from it."""
    return {"AP": float(ap.mean()), "AP50": float(ap[0]), "AP75": float(ap[5])}


def _details(by_size: Sequence[SizeScore] | None, errors: Errors | None, curves: np.ndarray | None) -> dict[str, Any]:
    """The parts that are not official, for `to_json`."""
    content: dict[str, Any] = {}
    if by_size is not None:
        ranges = [{"range": score.name} | asdict(score) for score in by_size]
        for entry in ranges:
            entry["high"] = None if math.isinf(entry["high"]) else entry["high"]
        content["by_size"] = {"official": False, "ranges": ranges}
    if errors is not None:
        kinds = ("hits", "misses", "false_alarms")
        pictures = [
            {"name": picture.stem} | {kind: len(getattr(picture, kind)) for kind in kinds}
            for picture in errors.pictures
        ]
        content["errors"] = {
            "official": False,
            "iou": IOU,
            "confidence": errors.confidence,
            "per_class": errors.per_class,
            "confusion": {"classes": [*NAMES, "background"], "truth_by_detection": errors.confusion.tolist()},
            "pictures": pictures,
        }
    if curves is not None:
        by_class = {
            name: curve.tolist() for name, curve in zip(NAMES, curves, strict=True) if not np.isnan(curve).any()
        }
        content["precision_recall"] = {"iou": IOU, "recall": RECALLS.tolist(), "precision": by_class}
    return content
