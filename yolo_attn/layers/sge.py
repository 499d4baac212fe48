"""Spatial group-wise enhance (SGE). Li et al., 2019, https://arxiv.org/abs/1905.09646

In each group of channels the gate of a pixel is high where the pixel resembles the mean of the group more than the average
pixel does.
"""

from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive, group_width
from yolo_attn.layers._vector_norm import vector_norm


class SGE(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, groups, 1, H, W) in (0, 1) on x as (B, groups, C / groups, H, W).

    Authors' code: divides the sum of squares by H * W - 1, which is 0 for a single pixel. Here it is divided by H * W, as in the
    paper.

    Args:
        channels: C, a multiple of groups.
        groups: Number of groups, 1 or more, each with a weight and a bias.

    Source: paper, equations 1 to 5.
    """

    parameter_formula = "2 * groups"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter knows no norm"}

    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        check_positive(self, "groups is usually 64", channels=channels, groups=groups)
        group_width(self, channels, groups)
        self.channels, self.groups = channels, groups
        self.weight = nn.Parameter(torch.zeros(groups, 1))
        self.bias = nn.Parameter(torch.ones(groups, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        folded = self._folded(x)
        return (folded * self._group_gates(folded)).view(-1, self.channels, *x.shape[2:])

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W), the same for the channels of a group."""
        gates = self._group_gates(self._folded(x)).view(-1, self.groups, *x.shape[2:])
        return gates.repeat_interleave(self.channels // self.groups, 1)

    def _folded(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> (B * groups, k, H * W)."""
        return x.reshape(-1, self.channels // self.groups, *x.shape[2:]).flatten(2)

    def _group_gates(self, folded: torch.Tensor) -> torch.Tensor:
        """folded (B * groups, k, H * W) -> (B * groups, 1, H * W)."""
        pixels, wide = folded.shape[2], torch.promote_types(folded.dtype, torch.float32)
        mean = folded.mean(2).to(wide)
        # Standardising cancels the length of the mean. Projected on its unit vector, half precision does not overflow.
        length = vector_norm(mean, 1).clamp(min=1e-12)[:, None, None]
        similarity = torch.bmm((mean[:, None] / length).to(folded.dtype), folded)  # (B * groups, 1, H * W)
        centred = similarity - similarity.mean(2, keepdim=True)
        # A norm, as the root of a mean square has no gradient where all values are equal.
        size = torch.ones_like(length) * pixels
        deviation = vector_norm(centred, 2, keepdim=True) / size.sqrt()
        scale = self.weight * (1 / (deviation + 1e-5 / length)).view(-1, self.groups, 1)
        # In place instead of torch.addcmul, which few runtimes know.
        score = (centred.view(-1, self.groups, pixels) * scale.to(folded.dtype)).add_(self.bias.to(folded.dtype))
        return score.sigmoid_().view(-1, 1, pixels)
