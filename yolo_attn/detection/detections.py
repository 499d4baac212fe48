"""Boxes, scores and classes that a detector finds on one image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from yolo_attn.visdrone.annotations import NAMES, categories_of

PIXEL_DECIMALS, SCORE_DECIMALS = 2, 5  # in JSON
VISDRONE_DECIMALS = 6  # of pixels and scores


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one image, by falling score."""

    boxes: np.ndarray  # (N, 4) xyxy, float32, in pixels
    scores: np.ndarray  # (N,) float32
    classes: np.ndarray  # (N,) int64

    def __len__(self) -> int:
        return len(self.boxes)

    def as_json(self, names: Mapping[int, str]) -> list[dict]:
        """Return a dictionary of plain values for each box; `names` is {class: name}."""
        boxes = self.boxes.astype(np.float64).round(PIXEL_DECIMALS).tolist()
        scores = self.scores.astype(np.float64).round(SCORE_DECIMALS).tolist()
        return [
            {"class": names[index], "score": score, "box": box}
            for index, score, box in zip(self.classes.tolist(), scores, boxes, strict=True)
        ]

    def as_visdrone(self, categories: Mapping[int, int]) -> np.ndarray:
        """Return (N, 8) rows of a VisDrone detection file, by falling score; `categories` is {class: VisDrone category}.

        Boxes of classes that have no category are left out.
        """
        order = np.argsort(-self.scores, kind="stable")
        order = order[np.isin(self.classes[order], [*categories])]
        boxes = self.boxes[order].astype(np.float64)
        rows = np.full((len(boxes), 8), -1.0)
        rows[:, :2], rows[:, 2:4], rows[:, 4] = boxes[:, :2], boxes[:, 2:] - boxes[:, :2], self.scores[order]
        rows[:, 5] = [categories[index] for index in self.classes[order].tolist()]
        return rows


def visdrone_categories(names: Mapping[int, str]) -> dict[int, int]:
    """Return {class: VisDrone category} for the classes that VisDrone has.

    Raises:
        ValueError: VisDrone has none of the classes.
    """
    categories = categories_of(names)
    if not categories:
        raise ValueError(
            f"VisDrone has none of the classes {', '.join(names.values())[:200]}; it has {', '.join(NAMES)}"
        )
    return categories
