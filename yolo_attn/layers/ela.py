"""Efficient local attention (ELA). Xu and Wan, 2024, https://arxiv.org/abs/2403.01123

Means along one axis keep the position along the other, as in coordinate attention. A 1-D convolution and a GroupNorm turn them into
a gate for each row and one for each column, with no bottleneck of channels.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import check_multiple, check_odd, check_positive, group_width


class ELA(nn.Module):
    """x (B, C, H, W) -> x * rows * columns, rows (B, C, H, 1) and columns (B, C, 1, W) in (0, 1).

    Authors' code: no repository is known. The paper writes a convolution F_h for rows and F_w for columns; the implementations that
    are in use share one convolution and one norm, and so does this.

    The paper's four sizes: ELA-T is `[5, 1, 32]`, ELA-B `[7, 1, 16]`, the default, ELA-S `[5, 8, 16]` and ELA-L `[7, 8, 16]`.

    Args:
        channels: C, a multiple of width and of groups.
        kernel_size: Positions that the convolution reads, odd.
        width: Channels in each group of the convolution, 1 or more; 1 convolves each channel alone.
        groups: Groups of the GroupNorm, 1 or more.

    Source: paper, section 3.
    """

    parameter_formula = "C * width * kernel_size + 2 * C"

    def __init__(self, channels: int, kernel_size: int = 7, width: int = 1, groups: int = 16):
        super().__init__()
        check_positive(self, "groups is usually 16", channels=channels, width=width, groups=groups)
        check_odd(self, kernel_size, "the paper's is 5 or 7")
        check_multiple(self, channels, width, f"cannot be split into groups of {width} channels")
        group_width(self, channels, groups)
        padding = kernel_size // 2
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=padding, groups=channels // width, bias=False)
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = self._gate(x.mean(3)), self._gate(x.mean(2))
        return x * rows.to(x.dtype)[..., None] * columns.to(x.dtype)[:, :, None]

    def _gate(self, pooled: torch.Tensor) -> torch.Tensor:
        """pooled (B, C, length) -> (B, C, length)."""
        # torch.group_norm: calling the module fails on a single value.
        norm = self.norm
        return torch.group_norm(self.conv(pooled), norm.num_groups, norm.weight, norm.bias, norm.eps).sigmoid()
