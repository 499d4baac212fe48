"""Networks of every task as one kind: images -> scores of classes at places, with gradients.

A place is a cell and anchor of a detector's head, before any is dropped. A classifier has a single one.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules import Classify, Detect

ONE_TO_ONE = "one2one_"  # how Ultralytics' end-to-end heads name the branch that predicts


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network predicts for a batch, before anything is dropped.

    Attributes:
        scores: (B, classes, N), 0 to 1.
        explained: (B, classes, N) what a map explains: the scores of a detector, of a classifier what its softmax takes, as the Grad-CAM
            paper does (section 3), because a sure classifier's score has no gradient.
        boxes: (B, N, 4) xyxy in pixels of the input; None for a classifier. Of a tilted box the upright one around it.
    """

    scores: torch.Tensor
    explained: torch.Tensor
    boxes: torch.Tensor | None


class ScoringNetwork(nn.Module):
    """Images (B, 3, H, W) -> what a map explains (B, classes, N): a copy of a network of Ultralytics, in evaluation mode.

    Only the images have a gradient, and through them every feature map.

    Raises:
        ValueError: The network is neither a classifier nor a detector with one of Ultralytics' or our heads.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = copy.deepcopy(network).float().eval().requires_grad_(False)
        self.head: Any = self.rows[-1]
        if isinstance(self.head, Detect):
            self.head.shape = None  # anchors are computed anew: those of an earlier prediction can have no gradient
            _predict_every_place(self.head)
        elif not isinstance(self.head, Classify):
            raise ValueError(
                f"the model ends in {type(self.head).__name__}; maps are made of classifiers and of models with a Detect head"
            )

        self.eval()

    def train(self, mode: bool = True) -> ScoringNetwork:
        """Stay in evaluation mode, but for a classifier's head itself, which gives logits in training; its dropout stays off."""
        super().train(False)
        self.head.training = isinstance(self.head, Classify)
        return self

    @property
    def rows(self) -> nn.Sequential:
        return self.network.model  # type: ignore[return-value]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.predict(images).explained

    def predict(self, images: torch.Tensor) -> Predictions:
        """Images (B, 3, H, W) -> scores and boxes."""
        out = self.network(images.detach().requires_grad_() if torch.is_grad_enabled() else images)
        if isinstance(self.head, Classify):
            logits = out[..., None]
            return Predictions(logits.softmax(1), logits, None)
        while isinstance(out, list | tuple):  # beside it: masks, and the outputs of training
            out = out[0]
        scores = out[:, 4 : 4 + self.head.nc]
        return Predictions(scores, scores, self._corners(out))

    def _corners(self, out: torch.Tensor) -> torch.Tensor:
        """Rows of centre, width and height, in the last row of oriented boxes a rotation -> (B, N, 4) xyxy."""
        centre, size = out[:, :2], out[:, 2:4]
        if hasattr(self.head, "ne"):
            cos, sin = out[:, -1:].cos().abs(), out[:, -1:].sin().abs()
            size = size * cos + size.flip(1) * sin
        return torch.cat([centre - size / 2, centre + size / 2], 1).transpose(1, 2)


def _predict_every_place(head: Any) -> None:
    """Let an end-to-end head give the scores of all places, as other heads do, by the branch that it predicts with.

    As it is, it keeps the best places of an image, which are others when the image is changed, and some versions cut the gradient to
    the feature maps.
    """
    if not getattr(head, "end2end", False):
        return
    for name in [name for name, _ in head.named_children() if name.startswith(ONE_TO_ONE)]:
        setattr(head, name.removeprefix(ONE_TO_ONE), getattr(head, name))
        delattr(head, name)
    head.end2end = False
