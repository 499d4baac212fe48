"""Convolutional block attention module (CBAM). Woo et al., ECCV 2018, https://arxiv.org/abs/1807.06521

The input is multiplied by a gate for each channel, then by a gate for each pixel; both are computed from means and maxima.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_odd, check_positive
from yolo_attn.layers._hooks import are_watched


class CBAM(nn.Module):
    """x (B, C, H, W) -> x * channel gate (B, C, 1, 1) * pixel gate (B, 1, H, W), both in (0, 1).

    Authors' code: has biases in the bottleneck and a BatchNorm after the convolution, which the paper's equations lack. The
    equations are the default; the parameter counts published for detectors (EMA, Table 2) agree with them.

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels in the bottleneck of the channel gate, 1 to C.
        kernel_size: Side of the pixel gate's convolution, odd.
        authors_code: Add biases to the bottleneck and a BatchNorm after the convolution, as in the released code.

    Source: paper, equations 1 to 3.
    """

    parameter_formula = "2 * C * m + 2 * kernel_size**2 + authors_code * (C + m + 2); m = C // reduction"

    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7, authors_code: bool = False):
        super().__init__()
        check_positive(self, channels=channels)
        width = bottleneck_width(self, channels, reduction)
        check_odd(self, kernel_size)
        self.squeeze = nn.Linear(channels, width, bias=authors_code)
        self.expand = nn.Linear(width, channels, bias=authors_code)
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(1) if authors_code else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * self._channel_gate(x)
        return x * self._pixel_gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> channel gate * pixel gate (B, C, H, W)."""
        by_channel = self._channel_gate(x)
        return by_channel * self._pixel_gate(x * by_channel)

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        means, maxima = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return (self._scores(means) + self._scores(maxima)).sigmoid().to(x.dtype)

    def _scores(self, pooled: torch.Tensor) -> torch.Tensor:
        """pooled (B, C, 1, 1) -> (B, C, 1, 1). As convolutions of each alone, since ncnn has no axis to stack both on."""
        if are_watched(self.squeeze, self.expand):
            return self.expand(F.relu(self.squeeze(pooled.flatten(1))))[..., None, None]
        hidden = F.relu(F.conv2d(pooled, self.squeeze.weight[..., None, None], self.squeeze.bias))
        return F.conv2d(hidden, self.expand.weight[..., None, None], self.expand.bias)

    def _pixel_gate(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)  # (B, 2, H, W)
        return self.norm(self.conv(pooled)).sigmoid().to(x.dtype)
