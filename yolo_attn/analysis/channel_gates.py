"""By what the attention layers of a trained classifier multiply the channels: EMCA's Figure 6 for any layer that gates.

The gate of a channel in an image is the mean of output / input of the layer over the positions of the feature map. Positions where the
input is at most SMALL times the channel's largest value in that image do not count, so nothing is divided by about 0; a channel that
is 0 everywhere has no gate and is counted as such. For a layer with one gate per channel this is the gate itself, for one with a
gate per pixel its mean. A stage is all layers whose feature maps have the same height and width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_attn.analysis.gate_statistics import BINS, BINS_PER_UNIT, ChannelGates, LayerGates, stage
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
    """{path: layer} of the layers of LAYERS in a network; of a layer in a layer the outer one."""
    layers: dict[str, nn.Module] = {}
    for path, module in network.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in layers)
        if type(module) in LAYERS.values() and not inside:
            layers[path] = module
    return layers


def measure(classifier: TrainedClassifier, batches: Iterable[Mapping[str, torch.Tensor]]) -> ChannelGates:
    """Images -> the gates of every attention layer.

    Args:
        classifier: The network.
        batches: "img" (B, 3, S, S) of each batch, with one S for all.

    Raises:
        ValueError: The network has no attention layer, or none that gates channels, or gives values that are not finite.
    """
    layers = attention_layers(classifier.network)
    if not layers:
        raise ValueError(f"the model has no attention layer; known are {', '.join(LAYERS)}")
    left_out = {path: reason for path, layer in layers.items() if (reason := _no_gate(layer))}
    if len(left_out) == len(layers):
        reasons = sorted({f"{type(layers[path]).__name__} {reason}" for path, reason in left_out.items()})
        raise ValueError(f"no attention layer of the model gates channels: {', '.join(reasons)}")
    tallies = [_Tally(path, layer) for path, layer in layers.items() if path not in left_out]
    images = 0
    with ExitStack() as hooks:
        for tally in tallies:
            hooks.callback(tally.layer.register_forward_hook(tally.add).remove)
        for batch in batches:
            classifier(batch["img"])
            images += len(batch["img"])
    results = tuple(tally.result() for tally in tallies)
    sizes = sorted({layer.size for layer in results}, reverse=True)
    stages = tuple(stage(images, [layer for layer in results if layer.size == size]) for size in sizes)
    return ChannelGates(images=images, layers=results, stages=stages, left_out=left_out)


def _no_gate(layer: nn.Module) -> str:
    """Why a layer has no gates, or ""; in a ReZero the inner layer decides."""
    return getattr(getattr(layer, "layer", layer), "no_gate", "")


class _Tally:
    """Sums over the images of what a layer does; its size does not grow with their number."""

    def __init__(self, path: str, layer: nn.Module):
        self.path, self.layer, self.size = path, layer, (0, 0)
        self.number = self.total = self.squares = np.zeros(1)  # for each channel, from the first image on
        self.lowest, self.highest = float("inf"), float("-inf")
        self.counts = np.zeros(BINS + 2, int)  # the first and the last bin count the gates outside

    def add(self, layer: nn.Module, inputs: tuple[Any, ...], out: torch.Tensor) -> None:
        """Count one batch; a forward hook. A layer of several sources gates the first."""
        x = inputs[0][0] if isinstance(inputs[0], list | tuple) else inputs[0]
        if not (torch.isfinite(x).all() and torch.isfinite(out).all()):
            raise ValueError(f"{self.path}: has values that are not finite; the training of this model has diverged")
        gates = channel_gates(x, out).cpu().numpy()
        present = ~np.isnan(gates)
        values = gates[present]
        self.size = (x.shape[2], x.shape[3])
        self.number = self.number + present.sum(0)
        self.total = self.total + np.where(present, gates, 0).sum(0)
        self.squares = self.squares + np.where(present, gates**2, 0).sum(0)
        self.lowest = min(self.lowest, values.min(initial=self.lowest))
        self.highest = max(self.highest, values.max(initial=self.highest))
        bins = np.floor(values * BINS_PER_UNIT).clip(-1, BINS).astype(int) + 1
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def result(self) -> LayerGates:
        with np.errstate(invalid="ignore"):  # 0 / 0 for a channel that never has a gate
            mean = self.total / self.number
            deviation = np.sqrt(np.maximum(self.squares / self.number - mean**2, 0))
        measured = self.number.any()
        return LayerGates(
            layer=self.path,
            kind=type(self.layer).__name__,
            size=self.size,
            images=self.number.astype(int),
            mean=mean,
            deviation=deviation,
            lowest=self.lowest if measured else float("nan"),
            highest=self.highest if measured else float("nan"),
            counts=self.counts[1:-1],
            below=int(self.counts[0]),
            above=int(self.counts[-1]),
        )
