"""Another layer behind a gain that starts at 0. Bachlechner et al., UAI 2021, https://arxiv.org/abs/2003.04887, equation 3

A sigmoid gate about halves the features at first, so weights that were pretrained without the layer help little in the first
epochs. With this gain the network starts as the network that the weights come from, bit for bit, and learns how much of
the layer to use. The papers of the layers do not do this.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import single_source_layer


class ReZero(nn.Module):
    """x (B, C, H, W) -> x + gain * (layer(x) - x), gain (1,) starts at 0: the identity.

    Args:
        channels: C, as the layer requires.
        layer: Name of the layer, one of LAYERS that reads a single feature map.
        arguments: Hyper-parameters of that layer.

    The gradient of the layer's own parameters is 0 in the first step, in which only the gain moves.
    """

    parameter_formula = "P + 1; P = parameters of the layer"

    def __init__(self, channels: int, layer: str = "EMA", *arguments: int | float | bool | str):
        super().__init__()
        self.layer = single_source_layer(self, layer)(channels, *arguments)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.gain.to(x.dtype) * (self.layer(x) - x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> 1 + gain * (gate of the layer - 1), of a layer that multiplies by a gate."""
        return 1 + self.gain.to(x.dtype) * (self.layer.gate(x) - 1)  # type: ignore[operator]  # a method

    @property
    def no_gate(self) -> str:
        """The reason why there is no gate; empty if the layer multiplies by one."""
        kind = type(self.layer)
        if hasattr(kind, "shuffled"):
            return "adds shuffled channels"
        return "" if hasattr(kind, "gate") else getattr(kind, "no_gate", "has no method `gate`")
