"""Efficient channel attention (ECA). Wang et al., CVPR 2020, https://arxiv.org/abs/1910.03151

The gate of a channel is computed from the means of its nearest neighbours in channel order, by a 1-D convolution. There is no
bottleneck.
"""

import math

import torch
from torch import nn

from yolo_attn.layers._checks import check_odd, check_positive


def adaptive_kernel_size(channels: int, gamma: float = 2.0, bias: float = 1.0) -> int:
    """Return the number of neighbours by the rule of section 3.2: |(log2(C) + bias) / gamma|, an even number made the next odd one."""
    return int(abs((math.log2(channels) + bias) / gamma)) | 1


class ECA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Authors' code: takes the kernel size as an argument. The paper gives a rule for it, which is the default.

    Args:
        channels: C, 1 or more.
        kernel_size: Number of neighbours, odd; 0 takes the paper's rule.
        gamma: Slope of the rule, above 0; larger means fewer neighbours. Used with kernel_size 0 only.
        bias: Offset of the rule. Used with kernel_size 0 only.

    Source: paper, section 3.2.
    """

    parameter_formula = "kernel_size or int(abs((log2(C) + bias) / gamma)) | 1"

    def __init__(self, channels: int, kernel_size: int = 0, gamma: float = 2.0, bias: float = 1.0):
        super().__init__()
        check_positive(self, channels=channels)
        if not gamma > 0:
            raise ValueError(f"ECA: gamma must be above 0, found {gamma}; the paper's is 2.")
        kernel_size = kernel_size or adaptive_kernel_size(channels, gamma, bias)
        check_odd(self, kernel_size, f"use {max(kernel_size, 0) + 1}, or 0 for the paper's rule")
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, 1, 1)."""
        pooled = x.mean((2, 3))  # (B, C)
        gate = self.conv(pooled[:, None])[:, 0].sigmoid().to(x.dtype)  # (B, C)
        return gate[:, :, None, None]
