"""Pyramid squeeze attention (PSA). Zhang et al., ACCV 2022, https://arxiv.org/abs/2105.14447

Four convolutions of growing kernel size, the scales, give a quarter of the channels each. A shared squeeze and excitation gives a gate
for each of their channels, which a softmax over the scales normalises. The layer is named after the network, as Ultralytics has
another module named PSA. In EPSANet it replaces the 3x3 convolution of a bottleneck.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_multiple, check_positive

KERNELS, GROUPS = (3, 5, 7, 9), (1, 4, 8, 16)


class EPSA(nn.Module):
    """x (B, C, H, W) -> four scales of C / 4 channels * gate, (B, C, H, W); the gates of the scales sum to 1.

    Args:
        channels: C, a multiple of 64: the last convolution has 16 groups on C / 4 channels.
        reduction: C / 4 / reduction channels in the bottleneck, 1 to C / 4.
        stride: Stride of the convolutions, 1 or more; above 1 only where the layer replaces a strided convolution.

    Source: paper, equations 4 to 10.
    """

    parameter_formula = "423 * C * k // 16 + 2 * k * m + k + m; k = C // 4; m = k // reduction"
    no_gate = "convolves channels"

    def __init__(self, channels: int, reduction: int = 16, stride: int = 1):
        super().__init__()
        step = len(KERNELS) * GROUPS[-1]
        check_multiple(self, channels, step, f"are not a multiple of {step}")
        k = channels // len(KERNELS)
        width = bottleneck_width(self, k, reduction, advice="")
        check_positive(self, "1 keeps height and width", stride=stride)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, k, size, stride, size // 2, groups=groups, bias=False)
            for size, groups in zip(KERNELS, GROUPS, strict=True)
        )
        self.squeeze = nn.Linear(k, width)
        self.expand = nn.Linear(width, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales = torch.stack([conv(x) for conv in self.convs], 1)  # (B, 4, C / 4, H, W)
        pooled = scales.mean((3, 4))
        gate = self.expand(F.relu(self.squeeze(pooled))).sigmoid().softmax(1).to(scales.dtype)  # (B, 4, C / 4)
        return (scales * gate[..., None, None]).flatten(1, 2).to(x.dtype)
