"""The attention layers of a network, and a way to run a layer with a gate that is read, or given from outside.

What is read is the gate of the layer itself, its method `gate`. Output / input would say nothing where the input is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from yolo_attn.layers import LAYERS

TOLERANCE = 1e-4  # of x * gate against the output, relative to its largest value: float32, and sums in another order


def attention_layers(network: nn.Module) -> dict[str, nn.Module]:
    """{path: layer} of the layers of LAYERS in a network, inside blocks too, but without those inside another layer.

    Raises:
        ValueError: There is none.
    """
    layers = {path: module for path, module in network.named_modules() if type(module) in LAYERS.values()}
    if not layers:
        raise ValueError(f"the model has no attention layer; known are {', '.join(LAYERS)}")
    return {path: layers[path] for path in layers if not any(path.startswith(f"{outer}.") for outer in layers)}


def no_gate(layer: nn.Module) -> str:
    """The reason why a layer has no gate to read; "" if it multiplies by one."""
    reason = getattr(layer, "no_gate", "")
    return reason or ("" if callable(getattr(type(layer), "gate", None)) else "has no method `gate`")


@contextmanager
def replaced_forward(layer: nn.Module, forward: Callable[..., torch.Tensor]) -> Iterator[None]:
    """Run a layer by another function until the end of the context."""
    layer.forward = forward  # hides the method of the class
    try:
        yield
    finally:
        del layer.forward


def first_source(inputs: Any) -> torch.Tensor:
    """What `forward` of a layer reads -> the feature map that it multiplies."""
    return inputs[0] if isinstance(inputs, list | tuple) else inputs


def multiplied(layer: nn.Module, inputs: Any, gate: torch.Tensor | float) -> torch.Tensor:
    """What `forward` of a layer reads, and a gate -> its output with that gate."""
    product = first_source(inputs) * gate
    return layer.shuffled(product) if hasattr(type(layer), "shuffled") else product  # type: ignore[operator]


def read_gate(layer: nn.Module, inputs: Any, check: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What `forward` of a layer reads -> its gate, and its output.

    Args:
        check: Compare the output with that of `forward`.

    Raises:
        ValueError: They differ.
    """
    gate = layer.gate(inputs)  # type: ignore[operator]  # a method
    out = multiplied(layer, inputs, gate)
    if check:
        expected = type(layer).forward(layer, inputs)
        difference = (out - expected).abs().max() / expected.abs().max().clamp(min=1)
        if difference > TOLERANCE:
            raise ValueError(
                f"{type(layer).__name__}: x * gate(x) differs from its output by {difference:.1e} of the largest value; "
                "`gate` must return what `forward` multiplies by"
            )
    return gate, out


def change(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Input and output (B, C, H, W) of a layer without a gate -> (output - input) / root mean square of the image's input."""
    scale = x.square().mean((1, 2, 3), keepdim=True).sqrt()
    return (out - x) / scale.clamp(min=1e-12)
