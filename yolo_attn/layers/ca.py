"""Coordinate attention (CA). Hou et al., CVPR 2021, https://arxiv.org/abs/2103.02907

Means along one axis keep the position along the other. The gate of a pixel is the product of a gate for its row and a gate for
its column.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_positive


class CA(nn.Module):
    """x (B, C, H, W) -> x * rows * columns, rows (B, C, H, 1) and columns (B, C, 1, W) in (0, 1).

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels in the shared bottleneck, 1 or more; the bottleneck is never narrower than 8.

    Source: paper, equations 4 to 9.
    """

    parameter_formula = "3 * C * m + 3 * m + 2 * C; m = max(8, C // reduction)"

    def __init__(self, channels: int, reduction: int = 32):
        super().__init__()
        check_positive(self, "reduction is usually 32", channels=channels, reduction=reduction)
        width = max(8, channels // reduction)
        self.squeeze = nn.Conv2d(channels, width, 1)
        self.norm = nn.BatchNorm2d(width)
        self.rows = nn.Conv2d(width, channels, 1)
        self.columns = nn.Conv2d(width, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = self._gates(x)
        return x * rows * columns

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        rows, columns = self._gates(x)
        return rows * columns

    def _gates(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], 2)  # (B, C, H + W, 1)
        mixed = F.hardswish(self.norm(self.squeeze(pooled)))
        rows, columns = mixed.split([x.shape[2], x.shape[3]], 2)
        rows = self.rows(rows).sigmoid().to(x.dtype)
        columns = self.columns(columns).sigmoid().transpose(2, 3).to(x.dtype)
        return rows, columns
