"""What a detector finds on one image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from yolo_attn.visdrone.annotations import NAMES, categories_of

JSON_DECIMALS = {"box": 2, "score": 5}


@dataclass(frozen=True)
class Detections:
    """Boxes by falling score.

    Attributes:
        boxes: (N, 4) xyxy, float32, in pixels.
        scores: (N,) float32.
        classes: (N,) int64.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def as_json(self, names: Mapping[int, str]) -> list[dict]:
        """A dictionary for each box, of plain values."""
        boxes = self.boxes.astype(np.float64).round(JSON_DECIMALS["box"]).tolist()
        scores = self.scores.astype(np.float64).round(JSON_DECIMALS["score"]).tolist()
        return [
            {"class": names[kind], "score": score, "box": box}
            for kind, score, box in zip(self.classes.tolist(), scores, boxes, strict=True)
        ]

    def as_visdrone(self, categories: Mapping[int, int]) -> np.ndarray:
        """(N, 8) rows of a VisDrone detection file; boxes of classes without a category are left out.

        Args:
            categories: {class: VisDrone category}.
        """
        known = np.isin(self.classes, [*categories])
        boxes = self.boxes[known].astype(np.float64)
        rows = np.full((len(boxes), 8), -1.0)
        rows[:, :2], rows[:, 2:4], rows[:, 4] = boxes[:, :2], boxes[:, 2:] - boxes[:, :2], self.scores[known]
        rows[:, 5] = [categories[kind] for kind in self.classes[known].tolist()]
        return rows


def visdrone_categories(names: Mapping[int, str]) -> dict[int, int]:
    """{class: VisDrone category} for the classes that VisDrone has.

    Raises:
        ValueError: It has none of them.
    """
    found = categories_of(names)
    if not found:
        raise ValueError(
            f"VisDrone has none of the classes {', '.join(names.values())[:200]}; it has {', '.join(NAMES)}"
        )
    return found
