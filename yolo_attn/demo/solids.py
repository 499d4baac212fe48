"""Solids in metres, of which everything that rises from the ground is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Colour = Sequence[float] | np.ndarray  # BGR


@dataclass(frozen=True, eq=False)
class Solid:
    """A frustum: bottom and top rings (K, 2), counter-clockwise from above, at two heights."""

    bottom: np.ndarray
    top: np.ndarray
    low: float
    high: float
    sides: Colour
    roof: Colour

    @property
    def vertices(self) -> np.ndarray:
        """The corners (2K, 3), those of the bottom ring first."""
        count = len(self.bottom)
        vertices = np.empty((2 * count, 3))
        vertices[:count, :2], vertices[count:, :2] = self.bottom, self.top
        vertices[:count, 2], vertices[count:, 2] = self.low, self.high
        return vertices


def parts(solids: Sequence[Solid]) -> Iterator[tuple[Solid, slice]]:
    """Yield each solid with the place of its vertices among those of all."""
    start = 0
    for solid in solids:
        end = start + 2 * len(solid.bottom)
        yield solid, slice(start, end)
        start = end


def rectangle(back: float, front: float, width: float, bevel: float = 0.0) -> np.ndarray:
    """Return the ring around x back..front and y -width/2..width/2; a bevel cuts its corners."""
    side = width / 2
    if not bevel:
        return np.array([[back, -side], [front, -side], [front, side], [back, side]])
    x = [back + bevel, front - bevel, front, front, front - bevel, back + bevel, back, back]
    y = [-side, -side, bevel - side, side - bevel, side, side, side - bevel, bevel - side]
    return np.array([x, y]).T


def box(
    back: float,
    front: float,
    width: float,
    low: float,
    high: float,
    sides: Colour,
    roof: Colour | None = None,
    bevel: float = 0.0,
    taper: float = 0.0,
) -> Solid:
    """Return a block; `taper` draws its top in by that many metres on every side."""
    bottom = rectangle(back, front, width, bevel)
    top = rectangle(back + taper, front - taper, width - 2 * taper, bevel)
    return Solid(bottom, top, low, high, sides, sides if roof is None else roof)


def moved(solids: list[Solid], x: float = 0.0, y: float = 0.0, up: float = 0.0, scale: float = 1.0) -> list[Solid]:
    """Return the solids scaled about the origin, then shifted."""
    shift = np.array([x, y])
    return [
        Solid(s.bottom * scale + shift, s.top * scale + shift, s.low * scale + up, s.high * scale + up, s.sides, s.roof)
        for s in solids
    ]
