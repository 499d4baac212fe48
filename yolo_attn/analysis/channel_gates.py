"""By what the attention layers of a trained classifier scale the channels: EMCA's Figure 6 for any layer that gates.

The scale of a channel in an image is the mean of output / input of the layer over the positions of the map. Positions where the
input is at most SMALL times the channel's largest value in that image do not count, so nothing is divided by about 0; a channel that
is 0 everywhere has no scale and is counted as such. For a gate per channel this is the gate itself, for one per pixel its
mean. A stage is all layers whose maps have the same height and width.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import ultralytics
from matplotlib.figure import Figure
from torch import nn

from yolo_attn.analysis.classifiers import Classifier
from yolo_attn.layers import LAYERS
from yolo_attn.storage import atomic_write

SMALL = 1e-6
PER_UNIT, MOST = 50, 2  # bins of 1 / 50 from 0 to 2; what lies outside is counted beside them


@dataclass(frozen=True)
class LayerScales:
    """The scales of one layer.

    Attributes:
        layer: Its path in the network.
        kind: Its name in LAYERS.
        size: Height and width of its map.
        images: For each channel, in how many images it has a scale.
        mean: For each channel, over these images; NaN where there is none.
        deviation: Likewise, the standard deviation (n).
        lowest, highest: Over images and channels; NaN where there is no scale.
        counts: Scales by bin.
        below, above: Scales under 0 and from MOST on.
    """

    layer: str
    kind: str
    size: tuple[int, int]
    images: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    lowest: float
    highest: float
    counts: np.ndarray
    below: int
    above: int


@dataclass(frozen=True)
class Stage:
    """The scales of all layers on maps of one size, each image's channel being one value.

    Attributes:
        size: Height and width.
        layers: Their paths.
        channels: Of all layers together.
        scales: How many there are.
        without_scale: How many there are not, the channel being 0 in the image.
        mean, deviation, lowest, highest: NaN without a scale.
        counts, below, above: As in LayerScales.
    """

    size: tuple[int, int]
    layers: tuple[str, ...]
    channels: int
    scales: int
    without_scale: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    counts: tuple[int, ...]
    below: int
    above: int


@dataclass(frozen=True)
class Scales:
    """What was found: layers in the order of the network, stages of falling size, and why a layer has no scales, by path."""

    images: int
    layers: tuple[LayerScales, ...]
    stages: tuple[Stage, ...]
    left_out: dict[str, str]


def ratio(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Input and output (B, C, H, W) of a layer -> the scale of each channel (B, C); NaN for a channel that is 0."""
    size = x.abs()
    used = size > SMALL * size.amax((2, 3), keepdim=True)
    quotient = torch.where(used, out / torch.where(used, x, 1), 0)
    return quotient.sum((2, 3), dtype=torch.float64) / used.sum((2, 3))


def attention_layers(network: nn.Module) -> dict[str, nn.Module]:
    """{path: layer} of the layers of LAYERS in a network; of a layer in a layer the outer one."""
    found: dict[str, nn.Module] = {}
    for path, module in network.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if type(module) in LAYERS.values() and not inside:
            found[path] = module
    return found


def scales(classifier: Classifier, batches: Iterable[dict[str, torch.Tensor]]) -> Scales:
    """Images -> the scales of every attention layer.

    Args:
        classifier: The network.
        batches: Of "img" (B, 3, S, S), for all of them the same S.

    Raises:
        ValueError: The network has no attention layer, or none that scales channels, or gives values that are not finite.
    """
    found = attention_layers(classifier.network)
    if not found:
        raise ValueError(f"the model has no attention layer; known are {', '.join(LAYERS)}")
    left_out = {path: reason for path, layer in found.items() if (reason := _no_gate(layer))}
    if len(left_out) == len(found):
        reasons = sorted({f"{type(found[path]).__name__} {reason}" for path, reason in left_out.items()})
        raise ValueError(f"no attention layer of the model scales channels: {', '.join(reasons)}")
    tallies = {path: _Tally(path, layer) for path, layer in found.items() if path not in left_out}
    images = 0
    with ExitStack() as hooks:
        for tally in tallies.values():
            hooks.callback(tally.layer.register_forward_hook(tally.add).remove)
        for batch in batches:
            classifier(batch["img"])
            images += len(batch["img"])
    layers = tuple(tally.result() for tally in tallies.values())
    sizes = sorted({one.size for one in layers}, reverse=True)
    return Scales(
        images, layers, tuple(stage(images, [one for one in layers if one.size == s]) for s in sizes), left_out
    )


def _no_gate(layer: nn.Module) -> str:
    """Why a layer has no scales, or nothing; of ReZero it is the inner one that decides."""
    return getattr(getattr(layer, "layer", layer), "no_gate", "")


class _Tally:
    """Sums over the images of what a layer does; its size does not grow with their number."""

    def __init__(self, path: str, layer: nn.Module):
        self.path, self.layer, self.size = path, layer, (0, 0)
        self.number = self.total = self.squares = 0
        self.lowest, self.highest = float("inf"), float("-inf")
        self.counts = np.zeros(PER_UNIT * MOST + 2, int)  # the first and the last are of what lies outside

    def add(self, layer: nn.Module, inputs: tuple, out: torch.Tensor) -> None:
        """A forward hook. A layer of several sources gates the first."""
        x = inputs[0][0] if isinstance(inputs[0], list | tuple) else inputs[0]
        if not (torch.isfinite(x).all() and torch.isfinite(out).all()):
            raise ValueError(f"{self.path}: has values that are not finite; the training of this model has diverged")
        found = ratio(x, out).cpu().numpy()
        there = ~np.isnan(found)
        values = found[there]
        self.size = tuple(x.shape[2:])
        self.number = self.number + there.sum(0)
        self.total = self.total + np.where(there, found, 0).sum(0)
        self.squares = self.squares + np.where(there, found**2, 0).sum(0)
        self.lowest = min(self.lowest, values.min(initial=self.lowest))
        self.highest = max(self.highest, values.max(initial=self.highest))
        bins = np.floor(values * PER_UNIT).clip(-1, PER_UNIT * MOST).astype(int) + 1
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def result(self) -> LayerScales:
        with np.errstate(invalid="ignore"):  # 0 / 0 for a channel that is never there
            mean = self.total / self.number
            deviation = np.sqrt(np.maximum(self.squares / self.number - mean**2, 0))
        below, *counts, above = self.counts.tolist()
        ends = (self.lowest, self.highest) if self.number.any() else (float("nan"), float("nan"))
        kind = type(self.layer).__name__
        counts = np.array(counts)
        return LayerScales(self.path, kind, self.size, self.number, mean, deviation, *ends, counts, below, above)


def stage(images: int, layers: list[LayerScales]) -> Stage:
    """Layers on maps of one size -> their scales together."""
    number = np.concatenate([one.images for one in layers])
    there = number > 0
    mean, deviation = (np.concatenate([getattr(one, name) for one in layers])[there] for name in ("mean", "deviation"))
    scales, weights = int(number.sum()), number[there]
    middle = float((weights * mean).sum() / scales) if scales else float("nan")
    spread = float(((weights * (deviation**2 + (mean - middle) ** 2)).sum() / scales) ** 0.5) if scales else middle
    return Stage(
        layers[0].size,
        tuple(one.layer for one in layers),
        len(number),
        scales,
        images * len(number) - scales,
        middle,
        spread,
        float(np.fmin.reduce([one.lowest for one in layers])),
        float(np.fmax.reduce([one.highest for one in layers])),
        tuple(int(count) for count in sum(one.counts for one in layers)),
        sum(one.below for one in layers),
        sum(one.above for one in layers),
    )


def write(out: Path, model: Path, data: Path, imgsz: int, found: Scales) -> None:
    """Put scales.json (stages), scales.csv (channels) and scales.png into a folder.

    Args:
        out: The folder; made if it is not there.
        model, data, imgsz: What was measured, for the record.
        found: The scales.
    """
    out.mkdir(parents=True, exist_ok=True)
    stages = [{key: _or_none(value) for key, value in vars(one).items()} for one in found.stages]
    record = {
        "model": str(model),
        "data": str(data),
        "imgsz": imgsz,
        "images": found.images,
        "torch": torch.__version__,
        "ultralytics": ultralytics.__version__,
        "bin_width": 1 / PER_UNIT,
        "stages": stages,
        "left_out": found.left_out,
    }
    atomic_write(out / "scales.json", (json.dumps(record, indent=1) + "\n").encode())
    text, picture = io.StringIO(), io.BytesIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["layer", "kind", "height", "width", "channel", "images", "mean", "deviation"])
    for one in found.layers:
        rows = zip(one.images.tolist(), one.mean.tolist(), one.deviation.tolist(), strict=True)
        for channel, (images, *numbers) in enumerate(rows):
            table.writerow([one.layer, one.kind, *one.size, channel, images, *map(_or_none, numbers)])
    atomic_write(out / "scales.csv", text.getvalue().encode())
    plot(found, model.name).savefig(picture, dpi=150)
    atomic_write(out / "scales.png", picture.getvalue())


def plot(found: Scales, title: str) -> Figure:
    """A histogram for each stage, with a line at its mean; the range is that of all stages."""
    counts = np.array([one.counts for one in found.stages])
    used = np.flatnonzero(counts.sum(0))
    first, last = (used[0], used[-1] + 1) if len(used) else (0, PER_UNIT)
    figure = Figure(figsize=(7, 0.9 + 1.5 * len(counts)), layout="constrained")
    rows = figure.subplots(len(counts), sharex=True, squeeze=False)[:, 0]
    for axes, one, row in zip(rows, found.stages, counts, strict=True):
        share = 100 * row / max(1, one.scales)
        axes.bar(np.arange(len(row)) / PER_UNIT, share, 1 / PER_UNIT, align="edge", color="#0072b2")
        axes.axvline(one.mean, color="#d55e00", linewidth=1.2)
        outside = f", {one.below + one.above:,} outside of 0 to {MOST}" if one.below + one.above else ""
        axes.set_title(
            f"{_size(one)}: layers {len(one.layers)}, channels {one.channels:,}, mean {one.mean:.3f}{outside}",
            loc="left",
            fontsize=9,
        )
        axes.set(ylabel="%", xlim=((first - 2) / PER_UNIT, (last + 2) / PER_UNIT))
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("scale of a channel in an image")
    figure.suptitle(f"{title}: {found.images:,} images", fontsize=11)
    return figure


def _size(one: Stage) -> str:
    return "{} x {}".format(*one.size)


def _or_none(value):
    return None if value != value else value
