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
        self.channels, self.groups = channels, groups
        self.channel_weight = nn.Parameter(torch.zeros(k, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(k, 1, 1))
        self.pixel_weight = nn.Parameter(torch.zeros(k, 1, 1))
        self.pixel_bias = nn.Parameter(torch.ones(k, 1, 1))
        self.norm = nn.GroupNorm(k, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        k, groups, half = self.norm.num_channels, self.groups, self.channels // 2
        # Groups stay beside the batch, as ncnn has no axis to fold them into.
        by_channel, by_pixel = x.reshape(-1, groups, 2 * k, height * width).split(k, 2)  # (B, groups, k, H * W) each
        pooled = by_channel.mean(3, keepdim=True)
        channel_gate = (self.channel_weight[..., 0] * pooled + self.channel_bias[..., 0]).sigmoid()
        # The weight and bias of the norm join those of the gate.
        weight = self.pixel_weight[:, 0, 0]
        scale, shift = weight * self.norm.weight, weight * self.norm.bias + self.pixel_bias[:, 0, 0]
        scale, shift = (values.expand(groups, k).reshape(half) for values in (scale, shift))
        feature_map = by_pixel.reshape(-1, half, height, width)
        # torch.group_norm: calling the module fails on a single pixel, where the result is the bias.
        normalised = torch.group_norm(feature_map, half, scale, shift, self.norm.eps)
        pixel_gate = normalised.sigmoid().view(-1, groups, k, height * width)
        halves = torch.cat([by_channel * channel_gate.to(x.dtype), by_pixel * pixel_gate.to(x.dtype)], 2)
        shuffled = halves.view(-1, 2, half, height * width).transpose(1, 2)
        return shuffled.reshape(-1, self.channels, height, width)
