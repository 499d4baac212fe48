"""Values of a feature map on objects: inside and outside of boxes, by class and by size of the object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

# Areas that part small, medium and large objects as COCO does, in pixels of the network's input.
SMALL, LARGE = 32**2, 96**2


@dataclass(frozen=True)
class Objects:
    """The objects of one image.

    Attributes:
        boxes: (N, 4) or (N, 5): centre, width and height as shares of the image, and a rotation in radians for oriented boxes, whose
            numbers are in pixels.
        classes: (N,) index of the class.
        size: Height and width of the network's input in pixels.
        padding: Columns on the left and on the right, and rows above and below, that are no part of the image.
    """

    boxes: np.ndarray
    classes: np.ndarray
    size: tuple[int, int]
    padding: tuple[float, float] = (0, 0)

    def image(self, height: int, width: int) -> np.ndarray:
        """Which pixels of a feature map have their centre in the image, (height, width)."""
        inside = np.zeros((height, width), bool)
        across, down = (1 - 2 * pad / side for pad, side in zip(self.padding, self.size[::-1], strict=True))
        inside[_centres(height / 2, down * height, height), _centres(width / 2, across * width, width)] = True
        return inside

    def masks(self, height: int, width: int) -> list[tuple[slice, slice, np.ndarray | None]]:
        """For each box the rows and columns of a feature map whose pixels have their centre in it, at least the nearest one.

        The third entry marks the pixels of an oriented box among them; it is None for an upright one.
        """
        oriented = self.boxes.shape[1] == 5
        scale = np.array([width, height, width, height], float)
        if oriented:
            scale /= np.array([self.size[1], self.size[0]] * 2)
        found = []
        for box in self.boxes:
            x, y, w, h = box[:4] * scale
            angle = box[4] if oriented else 0.0
            cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
            columns = _centres(x, cos * w + sin * h, width)
            rows = _centres(y, sin * w + cos * h, height)
            found.append((rows, columns, _tilted(x, y, w, h, angle, rows, columns) if oriented else None))
        return found

    def corners(self) -> np.ndarray:
        """The corners of each box in pixels of the network's input, (N, 4, 2)."""
        oriented = self.boxes.shape[1] == 5
        scale = np.ones(4) if oriented else np.array([self.size[1], self.size[0]] * 2)
        x, y, w, h = (self.boxes[:, :4] * scale).T
        angle = self.boxes[:, 4] if oriented else np.zeros(len(self.boxes))
        along = np.stack([np.cos(angle) * w, np.sin(angle) * w], 1) / 2
        across = np.stack([-np.sin(angle) * h, np.cos(angle) * h], 1) / 2
        middle = np.stack([x, y], 1)
        return np.stack([middle + a * along + b * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))], 1)

    def kinds_of_size(self) -> list[str]:
        """For each box small, medium or large."""
        factor = 1 if self.boxes.shape[1] == 5 else self.size[0] * self.size[1]
        areas = self.boxes[:, 2] * self.boxes[:, 3] * factor
        return ["small" if area < SMALL else "medium" if area < LARGE else "large" for area in areas]


def _centres(middle: float, length: float, size: int) -> slice:
    """The pixels of an axis whose centres lie within length / 2 of the middle; the nearest pixel if there is none."""
    first, last = int(np.ceil(middle - length / 2 - 0.5)), int(np.floor(middle + length / 2 - 0.5))
    first, last = max(first, 0), min(last, size - 1)
    if last < first:
        first = last = int(np.clip(np.floor(middle), 0, size - 1))
    return slice(first, last + 1)


def _tilted(x: float, y: float, w: float, h: float, angle: float, rows: slice, columns: slice) -> np.ndarray:
    dy = np.arange(rows.start, rows.stop)[:, None] + 0.5 - y
    dx = np.arange(columns.start, columns.stop) + 0.5 - x
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    inside = (np.abs(along) <= w / 2) & (np.abs(across) <= h / 2)
    return inside if inside.any() else np.ones_like(inside)


@dataclass(frozen=True)
class OnObjects:
    """Values on objects of one kind."""

    objects: int
    mean: float  # over objects, of the mean over the pixels of each
    difference: float  # mean over objects of that, less the mean of the pixels outside of all boxes of the image


@dataclass(frozen=True)
class Regions:
    """Values inside and outside of boxes. Of a gate that is the same over pixels only classes of whole images are known.

    Attributes:
        images: Number of images with pixels both inside and outside.
        inside, outside: Means over these images, NaN without any.
        by_class, by_size: {name: values}, of kinds that occur.
    """

    images: int
    inside: float
    outside: float
    by_class: Mapping[str, OnObjects] = field(default_factory=dict)
    by_size: Mapping[str, OnObjects] = field(default_factory=dict)

    @property
    def difference(self) -> float:
        return self.inside - self.outside


class RegionSums:
    """Sums of the values of one layer on objects, image by image."""

    def __init__(self) -> None:
        self._images = np.zeros(3)  # number, inside, outside
        self._classes: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(3))  # number, value, difference
        self._sizes: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))

    def add(
        self, pixels: np.ndarray, objects: Objects, masks: Sequence[tuple[slice, slice, np.ndarray | None]]
    ) -> None:
        """Count the values (H, W) of an image with objects; `masks` are those of the objects at that size."""
        outside, inside = objects.image(*pixels.shape), np.zeros(pixels.shape, bool)
        for rows, columns, mask in masks:
            inside[rows, columns] |= True if mask is None else mask
        outside &= ~inside
        if not (inside.any() and outside.any()):
            return
        background = pixels[outside].mean(dtype=float)
        self._images += 1, pixels[inside].mean(dtype=float), background
        for kind, size, (rows, columns, mask) in zip(objects.classes, objects.kinds_of_size(), masks, strict=True):
            window = pixels[rows, columns]
            value = window.mean() if mask is None else window[mask].mean()
            for sums in (self._classes[int(kind)], self._sizes[size]):
                sums += 1, value, value - background

    def add_class(self, value: float, kind: int) -> None:
        """Count the mean value of an image of one class."""
        self._classes[kind] += 1, value, np.nan

    def regions(self, names: Mapping[int, str]) -> Regions:
        number, inside, outside = self._images
        return Regions(
            images=int(number),
            inside=inside / number if number else np.nan,
            outside=outside / number if number else np.nan,
            by_class={names.get(kind, str(kind)): _mean(self._classes[kind]) for kind in sorted(self._classes)},
            by_size={size: _mean(self._sizes[size]) for size in ("small", "medium", "large") if size in self._sizes},
        )


def _mean(sums: np.ndarray) -> OnObjects:
    number, value, difference = map(float, sums)
    return OnObjects(objects=int(number), mean=value / number, difference=difference / number)
