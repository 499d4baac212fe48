"""Shuffle attention (SA). Zhang and Yang, ICASSP 2021, https://arxiv.org/abs/2102.00240

In each group one half of the channels is gated by its means, the other by its normalised pixels; a channel shuffle
then mixes the halves. The weights are shared by all groups.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive, group_width


class SA(nn.Module):
    """x (B, C, H, W) -> shuffled x * gate (B, C, H, W), gate in (0, 1).

    Args:
        channels: C, a multiple of 2 * groups.
        groups: Number of groups, 1 or more; each is split into two halves of k = C / (2 * groups) channels.

    Source: paper, section 3.
    """

    parameter_formula = "6 * k; k = C // (2 * groups)"
    no_gate = "shuffles channels"

    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        check_positive(self, "groups is usually 64", channels=channels, groups=groups)
        if channels % 2:
            raise ValueError(f"SA: {channels} channels cannot be split into halves; give an even number of channels.")
        k = group_width(self, channels, groups, halves=True)
        self.channel_weight = nn.Parameter(torch.zeros(k, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(k, 1, 1))
        self.pixel_weight = nn.Parameter(torch.zeros(k, 1, 1))
        self.pixel_bias = nn.Parameter(torch.ones(k, 1, 1))
        self.norm = nn.GroupNorm(k, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels, height, width = x.shape[1:]
        k = self.norm.num_channels
        by_channel, by_pixel = x.reshape(-1, 2 * k, height, width).split(k, 1)  # (B * groups, k, H, W) each
        pooled = by_channel.mean((2, 3), keepdim=True)
        channel_gate = (self.channel_weight * pooled + self.channel_bias).sigmoid()
        # torch.group_norm: calling the module fails on a single pixel, where the result is the bias.
        normalised = torch.group_norm(by_pixel, k, self.norm.weight, self.norm.bias, self.norm.eps)
        pixel_gate = (self.pixel_weight * normalised + self.pixel_bias).sigmoid()
        halves = torch.cat([by_channel * channel_gate.to(x.dtype), by_pixel * pixel_gate.to(x.dtype)], 1)
        return halves.view(-1, 2, channels // 2, height, width).transpose(1, 2).reshape(-1, channels, height, width)
