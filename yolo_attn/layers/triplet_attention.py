"""Triplet attention (TAM). Misra et al., WACV 2021, https://arxiv.org/abs/2010.03045

For each of the axes C, H and W the feature map is reduced over it to its maximum and mean, and a convolution over the other two
axes gives a gate. The paper rotates the feature map so that one code serves all three; here only what is reduced is rotated,
and the three gates are averaged before one multiplication.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import check_odd, check_positive


class TripletAttention(nn.Module):
    """x (B, C, H, W) -> x * mean of three gates in (0, 1): (B, 1, H, W), (B, C, 1, W) and (B, C, H, 1).

    Args:
        channels: C, 1 or more; no parameter depends on it.
        kernel_size: Side of the three convolutions, odd.

    Source: paper, section 3.
    """

    parameter_formula = "3 * (2 * kernel_size**2 + 2)"

    def __init__(self, channels: int, kernel_size: int = 7):
        super().__init__()
        check_positive(self, channels=channels)
        check_odd(self, kernel_size)
        self.over_channels, self.over_rows, self.over_columns = (
            nn.Sequential(nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False), nn.BatchNorm2d(1))
            for _ in range(3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        pooled = [torch.cat([x.amax(axis, keepdim=True), x.mean(axis, keepdim=True)], axis) for axis in (1, 2, 3)]
        pixels = self.over_channels(pooled[0])  # (B, 1, H, W)
        columns = self.over_rows(pooled[1].transpose(1, 2)).transpose(1, 2)  # convolved over C x W, (B, C, 1, W)
        rows = self.over_columns(pooled[2].transpose(1, 3)).transpose(1, 3)  # convolved over H x C, (B, C, H, 1)
        pixels, columns, rows = ((score.sigmoid() / 3).to(x.dtype) for score in (pixels, columns, rows))
        return (rows + columns).add_(pixels)
