"""Normalisation-based attention (NAM). Liu et al., 2021, https://arxiv.org/abs/2111.12419

The scale that a BatchNorm learns for a channel says how much the channel varies. Its share in the sum of all scales weighs the
normalised pixels of the channel, and their sigmoid is the gate.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_positive


class NAM(nn.Module):
    """x (B, C, H, W) -> x * sigmoid(share * BatchNorm(x)), share (C, 1, 1) = |gamma| / sum of |gamma|.

    Authors' code: has no gradient through the share. The formula trains gamma by both paths and is the default.

    Args:
        channels: C, 1 or more.
        authors_code: Treat the share as a constant in the backward, as in the released code. The output is the same.

    Source: paper, equations 1 and 2.
    """

    parameter_formula = "2 * C"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter takes no computed weights"}

    def __init__(self, channels: int, authors_code: bool = False):
        super().__init__()
        check_positive(self, channels=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.authors_code = authors_code

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        norm = self.norm
        share = (norm.weight.detach() if self.authors_code else norm.weight).abs()
        share = share / share.sum()
        if self.training:
            score = norm(x) * share[:, None, None].to(x.dtype)
        else:  # one pass over the map: the share goes into the scale and the shift
            scale, shift = share * norm.weight, share * norm.bias
            # Flat: on a map one pixel wide torch 2.15 returns a wrong gradient if the incoming one has unusual strides.
            score = F.batch_norm(x.flatten(2), norm.running_mean, norm.running_var, scale, shift, eps=norm.eps)
            score = score.view(x.shape)
        return score.sigmoid_().to(x.dtype)
