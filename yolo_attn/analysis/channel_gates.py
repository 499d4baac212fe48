"""The factors by which attention layers of a trained classifier multiply the channels: EMCA's Figure 6 for any layer that gates.

The gate of a channel in an image is the mean of output / input of the layer over the positions of the feature map. Positions where the
input is at most SMALL times the channel's largest value in that image do not count, so nothing is divided by about 0; a channel that
is 0 everywhere has no gate and is counted as such. For a layer with one gate per channel this is the gate itself, for one with a
gate per pixel its mean. A stage is all layers whose feature maps have the same height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from yolo_attn.analysis.gate_statistics import ChannelGates, LayerGates, stage
from yolo_attn.analysis.trained_classifier import TrainedClassifier
from yolo_attn.layers import LAYERS

SMALL = 1e-6


def channel_gates(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Input and output (B, C, H, W) of a layer -> the gate of each channel (B, C); NaN for a channel that is 0."""
    magnitude = x.abs()
    used = magnitude > SMALL * magnitude.amax((2, 3), keepdim=True)
    quotient = torch.where(used, out / torch.where(used, x, 1), 0)
    return quotient.sum((2, 3), dtype=torch.float64) / used.sum((2, 3))


def attention_layers(network: nn.Module) -> dict[str, nn.Module]:
    """{path: layer} of the layers of LAYERS in a network, without those inside another."""
    layers = {path: module for path, module in network.named_modules() if type(module) in LAYERS.values()}
    return {path: layers[path] for path in layers if not any(path.startswith(f"{outer}.") for outer in layers)}


def measure(classifier: TrainedClassifier, batches: Iterable[Mapping[str, torch.Tensor]]) -> ChannelGates:
    """Batches of images, "img" (B, 3, S, S) with one S for all -> the gates of every attention layer.

    Raises:
        ValueError: The network has no attention layer, or none that gates channels, or gives values that are not finite.
    """
    layers = attention_layers(classifier.network)
    if not layers:
        raise ValueError(f"the model has no attention layer; known are {', '.join(LAYERS)}")
    left_out = {path: reason for path, layer in layers.items() if (reason := _no_gate(layer))}
    measured = [LayerGates(path, type(layer).__name__) for path, layer in layers.items() if path not in left_out]
    if not measured:
        reasons = sorted({f"{type(layers[path]).__name__} {reason}" for path, reason in left_out.items()})
        raise ValueError(f"no attention layer of the model gates channels: {', '.join(reasons)}")
    images = 0
    with ExitStack() as hooks:
        for gates in measured:
            hooks.callback(layers[gates.layer].register_forward_hook(_counting_hook(gates)).remove)
        for batch in batches:
            classifier(batch["img"])
            images += len(batch["img"])
    sizes = sorted({gates.size for gates in measured}, reverse=True)
    stages = tuple(stage(images, [gates for gates in measured if gates.size == size]) for size in sizes)
    return ChannelGates(images=images, layers=tuple(measured), stages=stages, left_out=left_out)


def _no_gate(layer: nn.Module) -> str:
    """The reason why a layer has no gates, or ""; in a ReZero that of the inner layer."""
    return getattr(getattr(layer, "layer", layer), "no_gate", "")


def _counting_hook(gates: LayerGates) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], None]:
    """A forward hook that counts the gates of a layer; a layer of several sources gates the first."""

    def count(layer: nn.Module, inputs: tuple[Any, ...], out: torch.Tensor) -> None:
        x = inputs[0][0] if isinstance(inputs[0], list | tuple) else inputs[0]
        if not (torch.isfinite(x).all() and torch.isfinite(out).all()):
            raise ValueError(f"{gates.layer}: has values that are not finite; the training of this model has diverged")
        gates.add(channel_gates(x, out).cpu().numpy(), (x.shape[2], x.shape[3]))

    return count
