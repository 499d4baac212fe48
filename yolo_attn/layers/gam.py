"""Global attention mechanism (GAM). Liu et al., 2021, https://arxiv.org/abs/2112.05561

Nothing is pooled. A bottleneck over the channels of each pixel gives a gate for every element, then two 7x7 convolutions give
another.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive


class GAM(nn.Module):
    """x (B, C, H, W) -> x * channel gate * pixel gate, both (B, C, H, W) and in (0, 1).

    Authors' code: has reduction 4, biases in the convolutions, a BatchNorm behind the second one, and no sigmoid on the
    channel gate. The form here agrees with the parameter counts of the paper.

    Args:
        channels: C, a multiple of groups.
        reduction: C / reduction channels in both bottlenecks, 1 to C.
        groups: Number of groups of both convolutions; above 1, a channel shuffle stands between them. 4 in the paper's "gc".
        by_channel: Multiply by the channel gate.
        by_pixel: Multiply by the pixel gate.

    Raises:
        ValueError: channels below 1, reduction outside 1 to C, no gate, or widths that do not split into the groups.

    Source: paper, equations 1 and 2. The paper permutes the feature map for its linear layers; a 1x1
    convolution is the same without the copies.
    """

    parameter_formula = (
        "by_channel * (2 * C * m + m + C) + by_pixel * (98 * C * m // groups + 2 * m); m = C // reduction"
    )

    def __init__(
        self, channels: int, reduction: int = 16, groups: int = 1, by_channel: bool = True, by_pixel: bool = True
    ):
        super().__init__()
        check_positive(self, "groups is 1 or 4", channels=channels, groups=groups)
        width = bottleneck_width(self, channels, reduction)
        if not (by_channel or by_pixel):
            raise ValueError("GAM: by_channel and by_pixel are both False, which leaves no gate; use at least one.")
        if channels % groups or width % groups:
            fits = [n for n in range(1, groups) if math.gcd(channels, width) % n == 0]
            raise ValueError(
                f"GAM: {channels} channels and a bottleneck of {width} cannot be split into {groups} groups; "
                f"the nearest number below that fits is {fits[-1]}."
            )
        self.groups, self.by_channel, self.by_pixel = groups, by_channel, by_pixel
        if by_channel:
            self.squeeze = nn.Conv2d(channels, width, 1)
            self.expand = nn.Conv2d(width, channels, 1)
        if by_pixel:
            self.reduce = nn.Conv2d(channels, width, 7, padding=3, groups=groups, bias=False)
            self.norm = nn.BatchNorm2d(width)
            self.restore = nn.Conv2d(width, channels, 7, padding=3, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.by_channel:
            x = x * self._channel_gate(x)
        if self.by_pixel:
            x = x * self._pixel_gate(x)
        return x

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> channel gate * pixel gate (B, C, H, W)."""
        if not self.by_channel:
            return self._pixel_gate(x)
        by_channel = self._channel_gate(x)
        return by_channel * self._pixel_gate(x * by_channel) if self.by_pixel else by_channel

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        return self.expand(F.relu(self.squeeze(x))).sigmoid_().to(x.dtype)

    def _pixel_gate(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(self.norm(self.reduce(x)))
        if self.groups > 1:
            split = hidden.view(-1, self.groups, self.norm.num_features // self.groups, *x.shape[2:])
            hidden = split.transpose(1, 2).reshape(-1, self.norm.num_features, *x.shape[2:])
        return self.restore(hidden).sigmoid_().to(x.dtype)
