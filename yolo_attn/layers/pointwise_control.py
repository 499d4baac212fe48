"""A plain 1x1 convolution with the parameters of an attention layer. 1x1: Lin et al., ICLR 2014, https://arxiv.org/abs/1312.4400

The control of an ablation: it shows what as many parameters in the same place gain without attention. A layer with P
parameters is matched by one convolution over the first m = round(sqrt(P)) channels, which has m * m weights and no
bias; the other channels pass unchanged. A bottleneck could not match a small P (ECA has 5).
"""

import math

import torch
from torch import nn

from yolo_attn.layers._checks import single_source_layer


class PointwiseControl(nn.Module):
    """x (B, C, H, W) -> (B, C, H, W): a 1x1 convolution of the first m channels, the rest as they are.

    Args:
        channels: C, as the layer requires.
        layer: Name of the layer whose parameters are matched, one of LAYERS that reads a single feature map.
        arguments: Hyper-parameters of that layer.

    m is at most C: a layer with more than C * C parameters is not matched, and the count says so. No normalisation, no
    activation, no shortcut, so that nothing but the mixing of channels is added.
    """

    parameter_formula = "m**2; m = min(C, max(1, round(sqrt(P)))); P = parameters of the layer"
    no_gate = "mixes channels"

    def __init__(self, channels: int, layer: str = "EMA", *arguments: int | float | bool | str):
        super().__init__()
        with torch.device("meta"):  # only counted: it takes no memory and draws no random numbers
            matched = single_source_layer(self, layer)(channels, *arguments)
        parameters = sum(parameter.numel() for parameter in matched.parameters())
        self.mixed = min(channels, max(1, round(math.sqrt(parameters))))
        self.conv = nn.Conv2d(self.mixed, self.mixed, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.conv(x[:, : self.mixed]).to(x.dtype)
        return torch.cat((mixed, x[:, self.mixed :]), 1)
