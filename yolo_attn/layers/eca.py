"""Efficient channel attention (ECA). Wang et al., CVPR 2020, https://arxiv.org/abs/1910.03151

Each channel is weighed by its nearest neighbours in channel order: a 1-D convolution over the pooled vector, without a
bottleneck.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class ECA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Authors' code: takes the kernel size as an argument; the paper has a rule for it, which is the default.

    Args:
        channels: C, 1 or more.
        kernel_size: Neighbours that weigh a channel, odd; 0 takes the paper's rule.
        gamma: Slope of the rule, above 0; larger means fewer neighbours. Used with kernel_size 0 only.
        bias: Offset of the rule. Used with kernel_size 0 only.

    Raises:
        ValueError: an even or negative kernel_size, or gamma not above 0.

    Source: paper, section 3.2.
    """

    def __init__(self, channels: int, kernel_size: int = 0, gamma: float = 2.0, bias: float = 1.0):
        super().__init__()
        if channels < 1:
            raise ValueError(f"ECA: channels must be 1 or more, found {channels}; give the width of the map.")
        if not gamma > 0:
            raise ValueError(f"ECA: gamma must be above 0, found {gamma}; the paper's is 2.")
        if kernel_size < 0 or (kernel_size and kernel_size % 2 == 0):
            raise ValueError(
                f"ECA: kernel_size must be odd and positive, found {kernel_size}; use {max(kernel_size, 0) + 1}, "
                "or 0 for the paper's rule."
            )
        rule = int(abs((math.log2(channels) + bias) / gamma)) | 1  # an even number becomes the next odd one
        kernel_size = kernel_size or rule
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = x.mean((2, 3))  # (B, C)
        gate = self.conv(pooled[:, None])[:, 0].sigmoid().to(x.dtype)  # (B, C)
        return x * gate[:, :, None, None]
