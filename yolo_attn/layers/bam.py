"""Bottleneck attention module (BAM). Park et al., BMVC 2018, https://arxiv.org/abs/1807.06514

A score for each channel, from its mean, and a score for each pixel, from dilated convolutions, are added to one gate per element;
the gated input is added to the input.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._batch_norm import pooled_batch_norm
from yolo_attn.layers._checks import bottleneck_width, check_positive


class BAM(nn.Module):
    """x (B, C, H, W) -> x + x * gate, gate (B, C, H, W) in (0, 1).

    The gate is the sigmoid of a channel score (B, C, 1, 1) and a pixel score (B, 1, H, W) together.

    Authors' code: multiplies the two scores, which the paper adds. The paper is the default; the counts are the same.

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels in both bottlenecks, 1 to C.
        dilation: Distance between the taps of the two 3x3 convolutions in pixels, 1 or more.
        authors_code: Multiply the scores, as in the released code.

    Source: paper, section 3.
    """

    parameter_formula = "3 * C * m + C + 18 * m**2 + 13 * m + 1; m = C // reduction"

    def __init__(self, channels: int, reduction: int = 16, dilation: int = 4, authors_code: bool = False):
        super().__init__()
        check_positive(self, "dilation is usually 4", channels=channels, dilation=dilation)
        width = bottleneck_width(self, channels, reduction)
        self.authors_code = authors_code
        self.squeeze = nn.Linear(channels, width)
        self.norm = nn.BatchNorm1d(width)
        self.expand = nn.Linear(width, channels)
        self.pixels = nn.Sequential(
            *(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(width), nn.ReLU()),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> 1 + gate (B, C, H, W)."""
        hidden = pooled_batch_norm(self.norm, self.squeeze(x.mean((2, 3))))
        by_channel = self.expand(F.relu(hidden))[:, :, None, None]
        by_pixel = self.pixels(x)
        score = by_channel * by_pixel if self.authors_code else by_channel + by_pixel
        return (score.sigmoid_() + 1).to(x.dtype)
