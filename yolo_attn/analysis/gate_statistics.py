"""The gates of one layer in numbers: sums over the images, so that memory does not grow with their number.

A value is a gate at one channel and pixel of one image. A gate that is the same over channels or pixels has fewer values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

LOWEST_BIN, HIGHEST_BIN, BINS_PER_UNIT = -1, 2, 100  # bins of 1 / 100; values outside are counted beside them
BINS = (HIGHEST_BIN - LOWEST_BIN) * BINS_PER_UNIT
NEAR = 0.05  # what counts as near 0, 1/2 and 1
CONSTANT = 0.01  # deviation over images below which a gate is called a constant


@dataclass(frozen=True)
class Distribution:
    """The values of a layer over a whole set; NaN where there is nothing to average."""

    form: str  # what the values differ over: "channel", "pixel" or "channel and pixel"
    mean: float
    deviation: float  # standard deviation of all values
    over_images: float  # the part of it over images: root mean square of the deviation at one channel and pixel
    lowest: float
    highest: float
    near_0: float  # share of values within NEAR of 0
    near_half: float
    near_1: float
    counts: tuple[int, ...]  # values by bin
    below: int  # values under LOWEST_BIN
    above: int  # values over HIGHEST_BIN
    channel_mean: tuple[float, ...]  # of each channel
    channel_deviation: tuple[float, ...]  # of each channel, over images, of its mean over pixels

    @property
    def constant(self) -> bool:
        """Whether the values are the same for every image, as far as more than one image of a size was seen."""
        return self.over_images < CONSTANT


class Values:
    """The values of one layer, batch by batch."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, int)
        self._below = self._above = 0
        self.lowest, self.highest = float("inf"), float("-inf")
        self._by_size: dict[tuple[int, int], _Positions] = {}
        self._channels = _Positions()
        self.form = ""

    def add(self, values: torch.Tensor, size: tuple[int, int]) -> None:
        """Count the values (B, C or 1, H or 1, W or 1) of a batch on feature maps of `size`.

        Raises:
            ValueError: A value is not finite.
        """
        lowest, highest = (float(value) for value in torch.aminmax(values))  # NaN if any value is
        if not np.isfinite([lowest, highest]).all():
            raise ValueError("has values that are not finite; the training of this model has diverged")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        self._counts += torch.histc(values, BINS, LOWEST_BIN, HIGHEST_BIN).long().cpu().numpy()
        if lowest < LOWEST_BIN:
            self._below += int((values < LOWEST_BIN).sum())
        if highest > HIGHEST_BIN:
            self._above += int((values > HIGHEST_BIN).sum())
        self._by_size.setdefault(size, _Positions()).add(values)
        self._channels.add(values.mean((2, 3)))
        axes = {"channel": values.shape[1] > 1, "pixel": values.shape[2:].numel() > 1}
        self.form = " and ".join(name for name, differs in axes.items() if differs) or "channel"

    def mean_of(self, size: tuple[int, int]) -> torch.Tensor:
        """The mean over all images with feature maps of `size`, (C or 1, H or 1, W or 1)."""
        return self._by_size[size].mean

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        return tuple(self._by_size)

    def distribution(self) -> Distribution:
        """Everything that was counted, in numbers."""
        positions = self._by_size.values()
        number = np.array([part.images * part.mean.numel() for part in positions])
        means = [part.mean.double() for part in positions]
        mean = float(np.average([float(part.mean()) for part in means], weights=number))
        spread = [float(((part - mean) ** 2).mean()) for part in means]
        within = [float(part.variance.double().mean()) for part in positions]
        seen_twice = np.array([part.images > 1 for part in positions])
        over = np.average(np.array(within)[seen_twice], weights=number[seen_twice]) if seen_twice.any() else np.nan
        shares = self._counts / number.sum()
        near = [shares[_bin(level - NEAR) : _bin(level + NEAR)].sum() for level in (0, 0.5, 1)]
        return Distribution(
            form=self.form,
            mean=mean,
            deviation=float(np.average(np.add(spread, within), weights=number) ** 0.5),
            over_images=float(over**0.5),
            lowest=self.lowest,
            highest=self.highest,
            **dict(zip(("near_0", "near_half", "near_1"), map(float, near), strict=True)),
            counts=tuple(self._counts.tolist()),
            below=self._below,
            above=self._above,
            channel_mean=tuple(self._channels.mean.tolist()),
            channel_deviation=tuple(self._channels.variance.sqrt().tolist()),
        )


class _Positions:
    """Mean and variance over images of every position of a tensor (B, ...). Sums are taken of differences to the first mean."""

    def __init__(self) -> None:
        self.images = 0
        self._origin = self._total = self._squares = torch.zeros(())

    def add(self, values: torch.Tensor) -> None:
        if not self.images:
            self._origin = values[0].clone()
        difference = values - self._origin
        self._total = self._total + difference.sum(0)
        self._squares = self._squares + (difference * difference).sum(0)
        self.images += len(values)

    @property
    def mean(self) -> torch.Tensor:
        return self._origin + self._total / self.images

    @property
    def variance(self) -> torch.Tensor:
        return (self._squares / self.images - (self._total / self.images).square()).clamp(min=0)


def _bin(value: float) -> int:
    return round((value - LOWEST_BIN) * BINS_PER_UNIT)


def without_nan(values: Any) -> Any:
    """The same with None for NaN, in dictionaries, lists and tuples: JSON knows no NaN."""
    if isinstance(values, dict):
        return {key: without_nan(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_nan(value) for value in values]
    return None if values != values else values  # NaN differs from itself
