"""Boxes after NMS on pictures: those of Ultralytics' predict with a model against those with its exported file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ultralytics import YOLO

PIXELS, SCORE = 0.5, 1e-3  # largest differences of two boxes that are the same
LOWEST = 0.05  # boxes of at least this score are compared; low, so that there are many


@dataclass(frozen=True)
class BoxComparison:
    """The comparison of the boxes on one picture."""

    image: str  # the picture's path
    count: int  # boxes that the model finds
    pixels: float  # largest difference of a coordinate between two boxes that are the same
    score: float  # largest difference of their scores
    unmatched: int  # boxes of either side that the other does not have


def compare_boxes(
    model: YOLO, exported: YOLO, images: Sequence[str | Path], lowest: float = LOWEST, **settings: object
) -> tuple[BoxComparison, ...]:
    """Compare the boxes of a model, from the score `lowest` on, with those of its exported file.

    Settings are those of predict. `rect` False pads both to the same square, as a file of fixed size needs it.
    """
    comparisons = []
    for image in images:
        expected, given = (
            network.predict(str(image), conf=lowest - SCORE, verbose=False, **settings)[0].boxes.data.cpu().numpy()
            for network in (model, exported)
        )
        comparisons.append(BoxComparison(str(image), len(expected), *match(expected, given, lowest)))
    return tuple(comparisons)


def match(expected: np.ndarray, given: np.ndarray, lowest: float) -> tuple[float, float, int]:
    """Two sets of (N, 6) xyxy, score, class -> largest difference in pixels, in score, and the number without a partner.

    A partner has the same class, and all its coordinates lie within PIXELS and its score within SCORE. Boxes that score less
    than `lowest` need none: they are there so that those just above it have theirs.
    """
    pixels = np.abs(expected[:, None, :4] - given[None, :, :4]).max(2, initial=0)
    scores = np.abs(expected[:, None, 4] - given[None, :, 4])
    same = (expected[:, None, 5] == given[None, :, 5]) & (pixels <= PIXELS) & (scores <= SCORE)
    missing, surplus = ((expected[:, 4] >= lowest) & ~same.any(1)), ((given[:, 4] >= lowest) & ~same.any(0))
    rows = same.any(1).nonzero()[0]
    partners = np.where(same, pixels, np.inf)[rows].argmin(1) if len(rows) else rows
    largest = float(pixels[rows, partners].max(initial=0)), float(scores[rows, partners].max(initial=0))
    return *largest, int(missing.sum() + surplus.sum())
