"""Multidimensional collaborative attention (MCA). Yu et al., 2023, https://doi.org/10.1016/j.engappai.2023.107079

Channels, rows and columns each get a gate: the mean and the standard deviation over the other two axes are mixed and convolved with
their neighbours along the axis. The feature map times each gate is averaged.
"""

import math
from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive
from yolo_attn.layers._vector_norm import vector_norm


class MCA(nn.Module):
    """x (B, C, H, W) -> x * mean of three gates in (0, 1): (B, C, 1, 1), (B, 1, H, 1) and (B, 1, 1, W).

    Authors' code: divides the sum of squares by one less than the number of values, which fails for a single value; here it is
    divided by their number.

    Args:
        channels: C, 1 or more.
        by_channel: Whether there is a gate for each channel; without it the mean is of the other two.

    Source: the authors' code, https://github.com/ndsclark/MCANet, not checked against the text of the paper.
    """

    parameter_formula = "10 + (2 + k) * by_channel; t = round(abs((log2(C) - 1) / 1.5)); k = max(1, t - 1 + t % 2)"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter knows no norm"}

    def __init__(self, channels: int, by_channel: bool = True):
        super().__init__()
        check_positive(self, channels=channels)
        self.rows, self.columns = _Gate(3), _Gate(3)
        kernel_size = round(abs((math.log2(channels) - 1) / 1.5))
        self.channels = _Gate(max(1, kernel_size - 1 + kernel_size % 2)) if by_channel else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        rows = self.rows(x, (1, 3))[:, None, :, None]
        columns = self.columns(x, (1, 2))[:, None, None]
        if self.channels is None:
            return (rows + columns) / 2
        return (self.channels(x, (2, 3))[:, :, None, None] + rows + columns) / 3


class _Gate(nn.Module):
    """x (B, C, H, W) and the two axes to reduce -> (B, length of the third) in (0, 1)."""

    def __init__(self, kernel_size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2))  # of the mean and of the deviation, before a sigmoid
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: torch.Tensor, axes: tuple[int, int]) -> torch.Tensor:
        mean = x.mean(axes, keepdim=True)
        total = vector_norm(x - mean, axes).square()
        # Away from 0, where the root of all equal values would have no gradient.
        deviation = (total / x.shape[axes[0]] / x.shape[axes[1]] + 1e-12).sqrt()
        of_mean, of_deviation = 0.5 + self.weight.sigmoid()
        pooled = of_mean * mean.flatten(1) + of_deviation * deviation.to(x.dtype)
        return self.conv(pooled[:, None])[:, 0].sigmoid().to(x.dtype)
