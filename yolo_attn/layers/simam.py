"""Simple attention without parameters (SimAM). Yang et al., ICML 2021, https://proceedings.mlr.press/v139/yang21o.html

A value stands out where it is far from the mean of its channel, in units of the channel's variance. The energy of a linear
separation from the other values measures that, and has a closed form; its inverse gives the gate.
"""

from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive
from yolo_attn.layers._vector_norm import vector_norm


class SimAM(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) in (0.62, 1).

    Authors' code: divides the sum of squares by H * W - 1, which is 0 for a single pixel. Here it is divided by H * W, the
    number of values in the paper's variance.

    Args:
        channels: C, 1 or more; the layer has no parameters.
        regularization: Lambda, added to the variance, above 0.

    Source: paper, equation 5 and the gate behind it.
    """

    parameter_formula = "0"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter knows no norm"}

    def __init__(self, channels: int, regularization: float = 1e-4):
        super().__init__()
        check_positive(self, channels=channels)
        if not regularization > 0:
            raise ValueError(f"SimAM: regularization must be above 0, found {regularization}; the paper's is 1e-4.")
        self.regularization = regularization

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        centred = x - x.mean((2, 3), keepdim=True)
        total = vector_norm(centred, (2, 3), keepdim=True).square()
        variance = total / x.shape[2] / x.shape[3]
        scaled = centred * (4 * (variance + self.regularization)).rsqrt().to(x.dtype)
        return (scaled.square() + 0.5).sigmoid()
