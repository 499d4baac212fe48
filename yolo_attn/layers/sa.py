"""Shuffle attention (SA). Zhang and Yang, ICASSP 2021, https://arxiv.org/abs/2102.00240

In each group one half of the channels is gated by its means, the other by its normalised pixels; a channel shuffle
then mixes the halves. The weights are shared by all groups.
"""

from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive, group_width
from yolo_attn.layers._hooks import are_watched


class SA(nn.Module):
    """x (B, C, H, W) -> shuffled x * gate (B, C, H, W), gate in (0, 1).

    Args:
        channels: C, a multiple of 2 * groups.
        groups: Number of groups, 1 or more; each is split into two halves of k = C / (2 * groups) channels.

    Source: paper, section 3.
    """

    parameter_formula = "6 * k; k = C // (2 * groups)"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter takes no computed weights"}

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
        by_channel, by_pixel = self._halves(x)
        channel_gate, pixel_gate = self._gates(by_channel, by_pixel, x.shape[2:])
        return self._in_turns(torch.cat([by_channel * channel_gate, by_pixel * pixel_gate], 2), x.shape[2:])

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W), before the shuffle."""
        by_channel, by_pixel = self._halves(x)
        channel_gate, pixel_gate = self._gates(by_channel, by_pixel, x.shape[2:])
        return torch.cat([channel_gate.expand_as(by_channel), pixel_gate], 2).view(x.shape)

    def shuffled(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> its channels with those of the two halves of C in turns."""
        return self._in_turns(x, x.shape[2:])

    def _halves(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """x (B, C, H, W) -> what is gated by channel and by pixel, (B, groups, k, H * W) each.

        Groups stay beside the batch, as ncnn has no axis to fold them into.
        """
        k, (height, width) = self.norm.num_channels, x.shape[2:]
        return x.reshape(-1, self.groups, 2 * k, height * width).split(k, 2)

    def _gates(
        self, by_channel: torch.Tensor, by_pixel: torch.Tensor, size: torch.Size
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The two halves -> channel gate (B, groups, k, 1) and pixel gate (B, groups, k, H * W)."""
        (height, width), dtype = size, by_pixel.dtype
        k, groups, half = self.norm.num_channels, self.groups, self.channels // 2
        pooled = by_channel.mean(3, keepdim=True)
        channel_gate = (self.channel_weight[..., 0] * pooled + self.channel_bias[..., 0]).sigmoid()
        if are_watched(self.norm):
            normalised = self.norm(by_pixel.reshape(-1, k, height, width))
            pixel_gate = (
                (self.pixel_weight * normalised + self.pixel_bias).sigmoid().view(-1, groups, k, height * width)
            )
            return channel_gate.to(dtype), pixel_gate.to(dtype)
        # The weight and bias of the norm join those of the gate.
        weight = self.pixel_weight[:, 0, 0]
        scale, shift = weight * self.norm.weight, weight * self.norm.bias + self.pixel_bias[:, 0, 0]
        scale, shift = (values.expand(groups, k).reshape(half) for values in (scale, shift))
        # torch.group_norm: calling the module fails on a single pixel, where the result is the bias.
        normalised = torch.group_norm(by_pixel.reshape(-1, half, height, width), half, scale, shift, self.norm.eps)
        pixel_gate = normalised.sigmoid().view(-1, groups, k, height * width)
        return channel_gate.to(dtype), pixel_gate.to(dtype)

    def _in_turns(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Values of (B, C, H, W) in any shape -> (B, C, H, W), the channels of the two halves of C in turns."""
        height, width = size
        halves = x.view(-1, 2, self.channels // 2, height * width)
        return halves.transpose(1, 2).reshape(-1, self.channels, height, width)
