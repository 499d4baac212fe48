"""Lays out a piece of town in metres: what the ground shows and what stands where. Draws nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from yolo_attn.demo.objects import SHAPES
from yolo_attn.demo.scenery import house, tree
from yolo_attn.demo.view import Colour, Solid

Kind = TypeVar("Kind", int, str)  # a category or a kind of block

LANE, PAVEMENT = 3.3, 3.4
PEDESTRIAN, PEOPLE, BICYCLE, CAR, VAN, TRUCK, TRICYCLE, AWNING, BUS, MOTOR, OTHER = range(1, 12)
IN_LANES = {CAR: 46, VAN: 13, TRUCK: 9, BUS: 8, MOTOR: 10, TRICYCLE: 5, AWNING: 5, BICYCLE: 4, OTHER: 1}
IN_PARKING = {CAR: 78, VAN: 14, TRUCK: 3, TRICYCLE: 3, AWNING: 2}
AT_KERB = {MOTOR: 50, BICYCLE: 26, AWNING: 8, TRICYCLE: 6, OTHER: 2}
ON_FOOT = {PEDESTRIAN: 78, PEOPLE: 22}
CELLS = {"building": 30, "parking": 26, "green": 22, "plaza": 22}


@dataclass(frozen=True)
class Thing:
    """Solids that stand together; `category` 0 is scenery, `crowd` marks what an ignored region leaves unannotated."""

    category: int
    solids: tuple[Solid, ...]
    vertices: np.ndarray  # (N, 3) in the world, solid after solid
    position: np.ndarray
    crowd: bool = False


class Town:
    """A main road, mostly a crossing road, and blocks of buildings, parking, green and plazas around them.

    Everything is laid out along the main road, a and b metres along and across, and rotated by `heading` at the end.

    Args:
        rng: Decides everything.
        reach: Half the side of the square that is laid out, in metres.
        heading: Direction of the main road in radians.
        near: Whether a position (2,) lies in the picture enlarged about its centre, 0.5 being the picture itself.

    Attributes:
        ground: (ring (K, 2), BGR colour) in drawing order.
        things: Everything that rises from the ground.
    """

    def __init__(
        self, rng: np.random.Generator, reach: float, heading: float, near: Callable[[np.ndarray, float], bool]
    ):
        self.rng, self.reach, self.heading, self.near = rng, reach, heading, near
        self.ground: list[tuple[np.ndarray, np.ndarray]] = []
        self.things: list[Thing] = []
        self.lots = np.empty((0, 4, 2))  # the ground that objects stand on
        self.bustle = rng.uniform(0.6, 1.6)
        self.asphalt = np.array([1.0, 0.98, 0.96]) * rng.uniform(70, 120)
        self.pavement = np.array([0.9, 0.97, 1.0]) * rng.uniform(135, 185)
        self.grass = np.array([62, 108, 92]) * rng.uniform(0.7, 1.15)
        self.half = LANE * int(rng.choice([1, 2, 2, 3]))
        self.cross = LANE * int(rng.choice([1, 1, 2]))
        self.crossing = rng.uniform(-14, 14) if rng.random() < 0.7 else 4 * reach  # 4 * reach: out of sight
        self.crowded = rng.random() < 0.35
        self._blocks()
        self._roads()
        self._traffic()
        self._pavements()

    def world(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) along and across the main road -> metres in the world."""
        return _rotated(points, self.heading)

    def _paint(self, a0: float, a1: float, b0: float, b1: float, colour: Colour) -> None:
        ring = np.array([[a0, b0], [a1, b0], [a1, b1], [a0, b1]])
        self.ground.append((self.world(np.clip(ring, -self.reach, self.reach)), np.asarray(colour, float)))

    def _stand(
        self,
        shape: Callable[[], list[Solid]],
        a: float,
        b: float,
        turn: float = 0.0,
        category: int = 0,
        crowd: bool = False,
    ) -> float:
        """Stands what `shape` makes where it could be seen and the place is free; returns its length."""
        position = self.world(np.array([[a, b]]))[0]
        if not self.near(position, 0.6 if category else 0.85):  # a house is seen from further off
            return 5.0
        solids = shape()
        vertices = np.concatenate([solid.vertices for solid in solids])
        (back, right), (front, left) = vertices[:, :2].min(0), vertices[:, :2].max(0)
        lot = _rotated(np.array([[back, right], [front, right], [front, left], [back, left]]), self.heading + turn)
        if category and not self._claim(lot + position):
            return front - back
        vertices[:, :2] = _rotated(vertices[:, :2], self.heading + turn) + position
        self.things.append(Thing(category, tuple(solids), vertices, position, crowd))
        return front - back

    def _claim(self, lot: np.ndarray) -> bool:
        """Takes the rectangle (4, 2) for an object unless it overlaps one that is taken."""
        if len(self.lots):
            # Rectangles are apart if their projections on a side of either one are (separating axes).
            mine, others = lot[[1, 3]] - lot[0], self.lots[:, [1, 3]] - self.lots[:, :1]
            apart = _apart(lot @ mine.T, self.lots @ mine.T)
            apart |= _apart(lot @ others.transpose(0, 2, 1), self.lots @ others.transpose(0, 2, 1))
            if not apart.all():
                return False
        self.lots = np.concatenate([self.lots, lot[None]])
        return True

    def _pick(self, weights: dict[Kind, int]) -> Kind:
        shares = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(shares, self.rng.random() * shares[-1], side="right"))]

    def _object(self, weights: dict[int, int], a: float, b: float, turn: float = 0.0, crowd: bool = False) -> float:
        """Stands one object; returns its length along its own axis."""
        category = self._pick(weights)
        return self._stand(lambda: SHAPES[category - 1](self.rng), a, b, turn, category, crowd)

    def _scatter(
        self,
        weights: dict[int, int],
        a0: float,
        a1: float,
        b0: float,
        b1: float,
        per_square_metre: float,
        apart: float = 1.6,
        crowd: bool = False,
    ) -> None:
        """Objects at random places of a rectangle, none nearer to another than `apart` metres."""
        taken = np.empty((0, 2))
        for _ in range(self.rng.poisson((a1 - a0) * (b1 - b0) * per_square_metre)):
            place = self.rng.uniform([a0, b0], [a1, b1])
            if not len(taken) or np.hypot(*(taken - place).T).min() > apart:
                taken = np.vstack([taken, place])
                self._object(weights, place[0], place[1], self.rng.uniform(0, 2 * np.pi), crowd)

    # The ground

    def _roads(self) -> None:
        far, white, yellow = self.reach, (205, 208, 208), (70, 165, 200)
        c0, c1 = self.crossing - self.cross, self.crossing + self.cross
        kerb = self.pavement * 1.12
        self._paint(-far, far, -self.half - 0.3, self.half + 0.3, kerb)
        self._paint(c0 - 0.3, c1 + 0.3, -far, far, kerb)
        self._paint(c0, c1, -far, far, self.asphalt)
        self._paint(-far, far, -self.half, self.half, self.asphalt)
        for b in np.arange(-self.half + LANE, self.half - 0.1, LANE):
            middle = abs(b) < 0.1
            for a in np.arange(-far, far, 6.0):
                if not c0 - 6 < a + 3 < c1 + 6:
                    self._paint(a, a + (6.0 if middle else 2.6), b - 0.09, b + 0.09, yellow if middle else white)
        for b in np.arange(-far, far, 6.0):
            if abs(b + 3) > self.half + 6:
                self._paint(self.crossing - 0.09, self.crossing + 0.09, b, b + 6, yellow)
        for b in np.arange(-self.half + 0.4, self.half - 0.4, 1.1):  # zebra crossings
            self._paint(c0 - 5.0, c0 - 2.0, b, b + 0.55, white)
            self._paint(c1 + 2.0, c1 + 5.0, b, b + 0.55, white)

    def _blocks(self) -> None:
        far = self.reach
        self._paint(-far, far, -far, far, self.pavement)
        near = self.half + PAVEMENT
        c0, c1 = self.crossing - self.cross - PAVEMENT, self.crossing + self.cross + PAVEMENT
        for a_low, a_high in ((-far, min(c0, far)), (c1, far)):
            for side in (-1, 1):
                a = a_low
                while a < a_high - 8:
                    a_next = min(a + self.rng.uniform(15, 26), a_high)
                    b = near
                    while b < far:
                        b_next = b + self.rng.uniform(14, 22)
                        cell = (a + 0.5, a_next - 0.5, *sorted((side * b, side * (b_next - 1.0))))
                        getattr(self, f"_{self._pick(CELLS)}")(*cell)
                        b = b_next
                    a = a_next

    def _building(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self._stand(lambda: house(self.rng, a1 - a0, b1 - b0), (a0 + a1) / 2, (b0 + b1) / 2)

    def _parking(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self._paint(a0, a1, b0, b1, self.asphalt * 1.12)
        full = self.rng.uniform(0.45, 0.9)
        for b, turn in ((b0 + 2.8, np.pi / 2), (b1 - 2.8, -np.pi / 2)):
            for a in np.arange(a0 + 0.6, a1 - 2.6, 2.7):
                self._paint(a - 0.06, a + 0.06, b - 2.6, b + 2.6, (200, 203, 203))
                if self.rng.random() < full:
                    flip = np.pi * int(self.rng.integers(2)) + self.rng.normal(0, 0.04)
                    self._object(IN_PARKING, a + 1.35, b + self.rng.uniform(-0.3, 0.3), turn + flip)

    def _green(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self._paint(a0, a1, b0, b1, self.grass)
        path = self.rng.uniform(a0 + 3, a1 - 3)
        self._paint(path - 1, path + 1, b0, b1, self.pavement * 0.95)
        self._scatter(ON_FOOT, path - 1, path + 1, b0, b1, 0.03 * self.bustle)
        for _ in range(self.rng.integers(2, 8)):
            a, b = self.rng.uniform([a0 + 1, b0 + 1], [a1 - 1, b1 - 1])
            self._tree(a, b, self.rng.uniform(1.3, 2.8))

    def _plaza(self, a0: float, a1: float, b0: float, b1: float) -> None:
        tiles = self.pavement * self.rng.uniform(0.85, 1.1)
        self._paint(a0, a1, b0, b1, tiles)
        for a in np.arange(a0, a1, 2.4):
            self._paint(a, a + 0.1, b0, b1, tiles * 0.88)
        for b in np.arange(b0, b1, 2.4):
            self._paint(a0, a1, b, b + 0.1, tiles * 0.88)
        if self.crowded:
            self.crowded = False
            self._scatter(ON_FOOT | {MOTOR: 30}, a0 + 1, a1 - 1, b0 + 1, b1 - 1, 0.7, apart=0.8, crowd=True)
        else:
            self._scatter(ON_FOOT | {BICYCLE: 6}, a0, a1, b0, b1, 0.045 * self.bustle)

    def _tree(self, a: float, b: float, radius: float) -> None:
        self._stand(lambda: tree(self.rng, radius), a, b)

    # What moves

    def _traffic(self) -> None:
        for b in np.arange(-self.half + LANE / 2, self.half, LANE):
            self._lane(b, 0.0 if b < 0 else np.pi)
        for a in np.arange(-self.cross + LANE / 2, self.cross, LANE):
            self._lane(a, np.pi / 2 if a > 0 else -np.pi / 2, on_crossing=True)

    def _lane(self, offset: float, turn: float, on_crossing: bool = False) -> None:
        """Fills the lane at `offset` from the middle of its road; a crossing lane stays clear of the main road."""
        along, gap = -self.reach + self.rng.uniform(0, 10), self.rng.uniform(5, 18) / self.bustle
        while along < self.reach:
            if not on_crossing or abs(along) > self.half + 7.5:
                a, b = (self.crossing + offset, along) if on_crossing else (along, offset)
                if abs(a) < self.reach:
                    swerve = self.rng.normal(0, 0.03)
                    along += self._object(
                        IN_LANES, a + self.rng.uniform(-0.2, 0.2), b + self.rng.uniform(-0.2, 0.2), turn + swerve
                    )
            along += 5.5 + self.rng.exponential(gap)

    def _pavements(self) -> None:
        rng, far = self.rng, self.reach
        for side in (-1, 1):
            b = side * (self.half + PAVEMENT / 2)
            self._scatter(ON_FOOT, -far, far, b - 1.3, b + 0.6, 0.035 * self.bustle)
            for start in np.arange(-far, far, 16.0):
                if abs(start + 5 - self.crossing) < self.cross + 10:
                    continue
                use = rng.random()
                if use < 0.45:
                    self._tree(start + rng.uniform(8, 12), side * (self.half + PAVEMENT - 0.6), rng.uniform(1.1, 1.9))
                if use > 0.3:  # two-wheelers parked side by side
                    for i in range(rng.integers(2, 7)):
                        self._object(
                            AT_KERB, start + 1.9 * i, side * (self.half + 1.5), side * np.pi / 2 + rng.normal(0, 0.12)
                        )
        zebra = self.crossing - self.cross - 3.5
        self._scatter({PEDESTRIAN: 1}, zebra - 1.2, zebra + 1.2, -self.half, self.half, 0.06 * self.bustle)


def _rotated(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two sets of corners along two axes, (..., 4, 2) -> whether they lie apart along either."""
    return ((first.max(-2) < second.min(-2)) | (second.max(-2) < first.min(-2))).any(-1)
