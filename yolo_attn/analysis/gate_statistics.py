"""Channel gates of a network in numbers: layer by layer, and stage by stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BINS_PER_UNIT, HIGHEST_BIN = 50, 2  # bins of 1 / 50 from 0 to 2; gates outside are counted beside them
BINS = BINS_PER_UNIT * HIGHEST_BIN


class LayerGates:
    """The gates of one layer, as sums over the images, so that memory does not grow with their number.

    Attributes:
        layer: Path of the layer in the network.
        kind: Name of the layer in LAYERS.
        size: Height and width of its feature map.
        images: For each channel, the number of images in which it has a gate.
        lowest, highest: Over images and channels; NaN where there is no gate.
        counts: Gates under 0, gates by bin, and gates from HIGHEST_BIN on.
    """

    def __init__(self, layer: str, kind: str):
        self.layer, self.kind, self.size = layer, kind, (0, 0)
        self.images = np.zeros(1, int)  # for each channel from the first batch on, as the sums are
        self._total = self._squares = np.zeros(1)
        self.lowest = self.highest = float("nan")
        self.counts = np.zeros(BINS + 2, int)

    def add(self, gates: np.ndarray, size: tuple[int, int]) -> None:
        """Count the gates (B, C) of a batch, NaN where a channel has none, on feature maps of `size`."""
        present = ~np.isnan(gates)
        values = gates[present]
        self.size = size
        self.images = self.images + present.sum(0)
        self._total = self._total + np.where(present, gates, 0).sum(0)
        self._squares = self._squares + np.where(present, gates**2, 0).sum(0)
        self.lowest = float(np.fmin.reduce(values, initial=self.lowest))
        self.highest = float(np.fmax.reduce(values, initial=self.highest))
        bins = np.floor(values * BINS_PER_UNIT).clip(-1, BINS).astype(int) + 1
        self.counts += np.bincount(bins, minlength=len(self.counts))

    @property
    def mean(self) -> np.ndarray:
        """For each channel, the mean over the images in which it has a gate; NaN where there is none."""
        with np.errstate(invalid="ignore"):  # 0 / 0
            return self._total / self.images

    @property
    def deviation(self) -> np.ndarray:
        """For each channel, the standard deviation (n) over these images; NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.maximum(self._squares / self.images - self.mean**2, 0))


@dataclass(frozen=True)
class StageGates:
    """The gates of all layers on feature maps of one size, each channel of each image being one value."""

    size: tuple[int, int]  # height and width
    layers: tuple[str, ...]  # paths
    channels: int  # of all layers together
    gates: int  # number of values
    without_gate: int  # channels in images that have none, being 0
    mean: float  # NaN without a gate, as the next three
    deviation: float
    lowest: float
    highest: float
    counts: tuple[int, ...]  # gates by bin
    below: int  # gates under 0
    above: int  # gates from HIGHEST_BIN on


@dataclass(frozen=True)
class ChannelGates:
    """The gates of a network."""

    images: int
    layers: tuple[LayerGates, ...]  # in the order of the network
    stages: tuple[StageGates, ...]  # by falling size
    left_out: Mapping[str, str]  # {path: why a layer has no gates}


def stage(images: int, layers: Sequence[LayerGates]) -> StageGates:
    """Number of images, and layers on feature maps of one size -> their gates together."""
    number = np.concatenate([layer.images for layer in layers])
    present, gates = number > 0, int(number.sum())
    means = np.concatenate([layer.mean for layer in layers])[present]
    deviations = np.concatenate([layer.deviation for layer in layers])[present]
    mean = deviation = float("nan")
    if gates:
        mean = float(np.average(means, weights=number[present]))
        deviation = float(np.average(deviations**2 + (means - mean) ** 2, weights=number[present]) ** 0.5)
    below, *counts, above = np.sum([layer.counts for layer in layers], axis=0).tolist()
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
        counts=tuple(counts),
        below=below,
        above=above,
    )
