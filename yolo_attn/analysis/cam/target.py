"""The score that a map explains: of a class, or of a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import box_iou

from yolo_attn.analysis.cam.scoring import Predictions


@dataclass(frozen=True, eq=False)
class Target:
    """The mean score of a class over places. The places stay the same, whatever is done to the picture or to the weights.

    Attributes:
        index: Of the class.
        places: (K,) indices of places, K >= 1.
        iou: Of the place's box with the box that was asked for; NaN without one.
    """

    index: int
    places: torch.Tensor
    iou: float = float("nan")

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (..., classes, N) -> their mean (...)."""
        return scores[..., self.index, self.places].mean(-1)


def of_class(found: Predictions, index: int | None, threshold: float) -> Target:
    """All places at which a class has at least the threshold, or the best one if there is none.

    Args:
        found: For one image.
        index: Of the class; None is that of the highest score.
        threshold: 0 to 1.
    """
    scores = found.scores[0]
    if index is None:
        index = int(scores.amax(1).argmax())
    above = (scores[index] >= threshold).nonzero()[:, 0]
    return Target(index, above if len(above) else scores[index].argmax()[None])


def of_box(found: Predictions, boxes: np.ndarray, wanted: tuple[float, float, float, float]) -> Target:
    """The place whose box fits a given one best: with the largest product of IoU and score, as D-RISE compares boxes.

    D-RISE: Petsiuk et al., CVPR 2021, https://arxiv.org/abs/2006.03204, section 3.2.

    Args:
        found: For one image.
        boxes: (N, 4) xyxy, boxes of the places in pixels of the picture.
        wanted: xyxy in pixels of the picture.

    Raises:
        ValueError: No box of any place overlaps it.
    """
    overlap = box_iou(torch.tensor([wanted], dtype=torch.float32), torch.from_numpy(boxes).float())[0]
    best, classes = found.scores[0].cpu().max(0)
    place = int((overlap * best).argmax())
    if not overlap[place] > 0:
        raise ValueError(f"the model predicts nothing that overlaps the box {','.join(f'{side:g}' for side in wanted)}")
    return Target(int(classes[place]), torch.tensor([place], device=found.scores.device), float(overlap[place]))
