"""One class activation map, with the numbers that say whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolo_attn.analysis.cam.deletion import Deletion


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """A class activation map of one picture, in the feature map of one layer.

    Attributes:
        picture: File name.
        image: (H, W, 3) RGB, 0 to 255: the picture; for a classifier the square that it sees.
        layer, kind: Path of the layer in the network, and its class.
        method: "gradcam" or "eigencam".
        class_name: The class whose score is explained.
        score: Mean of its score over the places that are explained, 0 to 1.
        boxes: (K, 4) xyxy in pixels of the picture: the boxes predicted at these places; (0, 4) for a classifier.
        iou: Of the predicted box with the one that was asked for; NaN without one.
        values: (h, w), 0 or more, in no unit; the higher, the more the score rests on the cell.
        extent: Left, right, bottom and top of `values` in pixels of the picture, beyond it by the padding.
        deletion: The score as cells are removed; None unless asked for.
        shuffled: Rank correlation with the map after the weights were shuffled, mean of three, negative values included; NaN if
            those maps are the same everywhere, or not asked for.
    """

    picture: str
    image: np.ndarray
    layer: str
    kind: str
    method: str
    class_name: str
    score: float
    boxes: np.ndarray
    iou: float
    values: np.ndarray
    extent: tuple[float, float, float, float]
    deletion: Deletion | None = None
    shuffled: float = float("nan")
