"""A piece of ground on which things are placed, given along and across a main road. Draws nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from yolo_attn.demo.objects import SHAPES
from yolo_attn.demo.solids import Colour, Solid

Kind = TypeVar("Kind")
Shape = Callable[[], list[Solid]]
Area = tuple[float, float, float, float]  # from and to along the main road, from and to across it; metres


@dataclass(frozen=True, eq=False)
class Thing:
    """Solids that stand together; `category` 0 is scenery, `crowd` marks what an ignored region leaves unannotated."""

    category: int
    solids: list[Solid]
    vertices: np.ndarray  # (N, 3) in the world, solid after solid
    position: np.ndarray
    crowd: bool


class Site:
    """A square of ground that fills up.

    Places are given by a and b, metres along and across the main road, and rotated by `heading`.

    Args:
        rng: Decides everything.
        reach: Half the side of the square, in metres.
        heading: Direction of the main road in radians.
        near: Whether a position (2,) lies in the picture enlarged about its centre, 0.5 being the picture itself.

    Attributes:
        ground: (ring (K, 2), BGR colour) in drawing order.
        things: Everything that rises from the ground.
        lots: (N, 4, 2) the corners of the ground that objects stand on.
    """

    def __init__(
        self, rng: np.random.Generator, reach: float, heading: float, near: Callable[[np.ndarray, float], bool]
    ):
        self.rng, self.reach, self.heading, self.near = rng, reach, heading, near
        self.ground: list[tuple[np.ndarray, Colour]] = []
        self.things: list[Thing] = []
        self.lots = np.empty((0, 4, 2))

    def paint(self, a0: float, a1: float, b0: float, b1: float, colour: Colour) -> None:
        """Paint a rectangle of the ground."""
        ring = np.array([[a0, b0], [a1, b0], [a1, b1], [a0, b1]])
        self.ground.append((_rotated(np.clip(ring, -self.reach, self.reach), self.heading), colour))

    def pick(self, weights: dict[Kind, int]) -> Kind:
        """Draw one of the keys."""
        shares = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(shares, self.rng.random() * shares[-1], side="right"))]

    def stand(self, shape: Shape, a: float, b: float, turn: float = 0, category: int = 0, crowd: bool = False) -> float:
        """Place what `shape` makes where it could be seen and, for an object, the ground is free; return its length."""
        position = _rotated(np.array([[a, b]]), self.heading)[0]
        if not self.near(position, 0.6 if category else 0.85):  # a house is seen from further off
            return 5.0
        solids = shape()
        vertices = np.concatenate([solid.vertices for solid in solids])
        (back, right), (front, left) = vertices[:, :2].min(0), vertices[:, :2].max(0)
        lot = _rotated(np.array([[back, right], [front, right], [front, left], [back, left]]), self.heading + turn)
        if not category or self._claim(lot + position):
            vertices[:, :2] = _rotated(vertices[:, :2], self.heading + turn) + position
            self.things.append(Thing(category, solids, vertices, position, crowd))
        return front - back

    def stand_object(
        self, weights: dict[int, int], a: float, b: float, turn: float = 0.0, crowd: bool = False
    ) -> float:
        """Place an object of one of the categories; return its length along its own axis."""
        category = self.pick(weights)
        return self.stand(lambda: SHAPES[category - 1](self.rng), a, b, turn, category, crowd)

    def scatter(self, weights: dict[int, int], area: Area, per_square_metre: float, crowd: bool = False) -> None:
        """Place objects at random places of an area; those of a crowd stand closer."""
        a0, a1, b0, b1 = area
        taken = np.empty((0, 2))
        for _ in range(self.rng.poisson((a1 - a0) * (b1 - b0) * per_square_metre)):
            place = self.rng.uniform([a0, b0], [a1, b1])
            if not len(taken) or np.hypot(*(taken - place).T).min() > (0.8 if crowd else 1.6):
                taken = np.vstack([taken, place])
                self.stand_object(weights, place[0], place[1], self.rng.uniform(0, 2 * np.pi), crowd)

    def _claim(self, lot: np.ndarray) -> bool:
        """Take a rectangle (4, 2) for an object unless it overlaps one that is taken."""
        # Rectangles are apart if their projections on a side of either one are (separating axes).
        sides, others = lot[[1, 3]] - lot[0], self.lots[:, [1, 3]] - self.lots[:, :1]
        apart = _apart(lot @ sides.T, self.lots @ sides.T)
        apart |= _apart(lot @ others.transpose(0, 2, 1), self.lots @ others.transpose(0, 2, 1))
        if not apart.all():
            return False
        self.lots = np.concatenate([self.lots, lot[None]])
        return True


def _rotated(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Tell whether two sets of corners, projected on two axes (..., 4, 2), lie apart along either axis."""
    return ((first.max(-2) < second.min(-2)) | (second.max(-2) < first.min(-2))).any(-1)
