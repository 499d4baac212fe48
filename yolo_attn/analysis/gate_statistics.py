"""Channel gates of a network in numbers: layer by layer, and stage by stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BINS_PER_UNIT, HIGHEST_BIN = 50, 2  # bins of 1 / 50 from 0 to 2; gates outside are counted beside them
BINS = BINS_PER_UNIT * HIGHEST_BIN


@dataclass(frozen=True)
class LayerGates:
    """The gates of one layer.

    Attributes:
        layer: Its path in the network.
        kind: Its name in LAYERS.
        size: Height and width of its feature map.
        images: For each channel, in how many images it has a gate.
        mean: For each channel, over these images; NaN where there is none.
        deviation: For each channel, the standard deviation (n) over these images; NaN where there is none.
        lowest, highest: Over images and channels; NaN where there is no gate.
        counts: Gates by bin.
        below, above: Gates under 0 and from HIGHEST_BIN on.
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
class StageGates:
    """The gates of all layers on feature maps of one size, each channel of each image being one value.

    Attributes:
        size: Height and width.
        layers: Paths of the layers.
        channels: Channels of all layers together.
        gates: Number of gates.
        without_gate: Number of channels in images that have none, being 0.
        mean, deviation, lowest, highest: Over all gates; NaN without one.
        counts, below, above: As in LayerGates.
    """

    size: tuple[int, int]
    layers: tuple[str, ...]
    channels: int
    gates: int
    without_gate: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    counts: tuple[int, ...]
    below: int
    above: int


@dataclass(frozen=True)
class ChannelGates:
    """The gates of a network.

    Attributes:
        images: Number of images.
        layers: In the order of the network.
        stages: By falling size.
        left_out: {path: why a layer has no gates}.
    """

    images: int
    layers: tuple[LayerGates, ...]
    stages: tuple[StageGates, ...]
    left_out: Mapping[str, str]


def stage(images: int, layers: Sequence[LayerGates]) -> StageGates:
    """Layers on feature maps of one size -> their gates together.

    Args:
        images: Number of images that were measured.
        layers: The layers.
    """
    number = np.concatenate([layer.images for layer in layers])
    present = number > 0
    means = np.concatenate([layer.mean for layer in layers])[present]
    deviations = np.concatenate([layer.deviation for layer in layers])[present]
    mean = deviation = float("nan")
    if present.any():
        mean = float(np.average(means, weights=number[present]))
        deviation = float(np.average(deviations**2 + (means - mean) ** 2, weights=number[present]) ** 0.5)
    gates = int(number.sum())
    return StageGates(
        size=layers[0].size,
        layers=tuple(layer.layer for layer in layers),
        channels=len(number),
        gates=gates,
        without_gate=images * len(number) - gates,
        mean=mean,
        deviation=deviation,
        lowest=float(np.fmin.reduce([layer.lowest for layer in layers])),
        highest=float(np.fmax.reduce([layer.highest for layer in layers])),
        counts=tuple(np.sum([layer.counts for layer in layers], axis=0).tolist()),
        below=sum(layer.below for layer in layers),
        above=sum(layer.above for layer in layers),
    )
