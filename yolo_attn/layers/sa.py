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
        by_channel, by_pixel = self._halves(x)
        channel_gate, pixel_gate = self._gates(by_channel, by_pixel)
        return self.shuffled(torch.cat([by_channel * channel_gate, by_pixel * pixel_gate], 1).view(x.shape))

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W), before the shuffle."""
        by_channel, by_pixel = self._halves(x)
        channel_gate, pixel_gate = self._gates(by_channel, by_pixel)
        return torch.cat([channel_gate.expand_as(by_channel), pixel_gate], 1).view(x.shape)

    def shuffled(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> its channels with those of the two halves of C in turns."""
        channels, height, width = x.shape[1:]
        return x.view(-1, 2, channels // 2, height, width).transpose(1, 2).reshape(-1, channels, height, width)

    def _halves(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """x (B, C, H, W) -> what is gated by channel and by pixel, (B * groups, k, H, W) each."""
        k = self.norm.num_channels
        return x.reshape(-1, 2 * k, *x.shape[2:]).split(k, 1)

    def _gates(self, by_channel: torch.Tensor, by_pixel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two halves -> channel gate (B * groups, k, 1, 1) and pixel gate (B * groups, k, H, W)."""
        pooled = by_channel.mean((2, 3), keepdim=True)
        channel_gate = (self.channel_weight * pooled + self.channel_bias).sigmoid()
        # torch.group_norm: calling the module fails on a single pixel, where the result is the bias.
        norm = self.norm
        normalised = torch.group_norm(by_pixel, norm.num_channels, norm.weight, norm.bias, norm.eps)
        pixel_gate = (self.pixel_weight * normalised + self.pixel_bias).sigmoid()
        return channel_gate.to(by_channel.dtype), pixel_gate.to(by_pixel.dtype)
