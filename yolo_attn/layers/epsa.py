"""Pyramid squeeze attention (PSA). Zhang et al., ACCV 2022, https://arxiv.org/abs/2105.14447

Four convolutions of growing kernel size, the scales, give a quarter of the channels each. A shared squeeze and excitation gives a gate
for each of their channels, which a softmax over the scales normalises. The layer is named after the network, as Ultralytics has
another module named PSA. In EPSANet it replaces the 3x3 convolution of a bottleneck.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_multiple, check_odd, check_positive


class EPSA(nn.Module):
    """x (B, C, H, W) -> four scales of C / 4 channels * gate, (B, C, H, W); the gates of the scales sum to 1.

    EPSANet-Large has 32 groups in every convolution and bottlenecks of twice the width: `ResNet, [50, "EPSA(16, '3 5 5 7', '32 32
    32 32')", conv, imagenet, stage, 2, 2]`. These kernel sizes are a fit to its published 27.90 M and 49.59 M parameters;
    with the paper's 3, 5, 7 and 9 it has 30.10 M and 53.74 M.

    Args:
        channels: C, a multiple of 4 times every number of groups: each convolution gives C / 4 channels.
        reduction: C / 4 / reduction channels in the bottleneck, 1 to C / 4.
        kernels: Sides of the four convolutions, odd numbers with spaces between them.
        groups: Numbers of groups of the four convolutions, each 1 or more, with spaces between them.
        stride: Stride of the convolutions, 1 or more; above 1 only where the layer replaces a strided convolution.

    Source: paper, equations 4 to 10.
    """

    parameter_formula = (
        "int(C * k * S) + 2 * k * m + k + m; k = C // 4; m = k // reduction; S = sum of kernel**2 / groups"
    )
    no_gate = "convolves channels"

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernels: str = "3 5 7 9",
        groups: str = "1 4 8 16",
        stride: int = 1,
    ):
        super().__init__()
        sizes, parts = _four_numbers("kernels", kernels), _four_numbers("groups", groups)
        for size in sizes:
            check_odd(self, size, "the paper's are 3, 5, 7 and 9")
        check_positive(self, "the paper's are 1, 4, 8 and 16", groups=min(parts))
        step = 4 * math.lcm(*parts)
        check_multiple(self, channels, step, f"are not a multiple of {step}")
        k = channels // 4
        width = bottleneck_width(self, k, reduction, advice="")
        check_positive(self, "1 keeps height and width", stride=stride)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, k, size, stride, size // 2, groups=part, bias=False)
            for size, part in zip(sizes, parts, strict=True)
        )
        self.squeeze = nn.Linear(k, width)
        self.expand = nn.Linear(width, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales = torch.cat([conv(x) for conv in self.convs], 1)  # (B, C, H, W): few runtimes know axes beyond four
        pooled = scales.mean((2, 3)).view(-1, len(self.convs), self.squeeze.in_features)
        gate = self.expand(F.relu(self.squeeze(pooled))).sigmoid().softmax(1).to(scales.dtype)  # (B, 4, C / 4)
        return (scales * gate.flatten(1)[:, :, None, None]).to(x.dtype)


def _four_numbers(argument: str, text: str) -> list[int]:
    numbers = text.split()
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers):
        raise ValueError(
            f"EPSA: {argument} must be four whole numbers such as '3 5 7 9', found {text!r}; give one per scale."
        )
    return [int(number) for number in numbers]
