"""Lays out a piece of town in metres: what the ground shows and what stands where."""

from collections.abc import Callable

import numpy as np

from yolo_attn.demo.scenery import house, tree
from yolo_attn.demo.site import Site

LANE, PAVEMENT = 3.3, 3.4  # widths
PEDESTRIAN, PEOPLE, BICYCLE, CAR, VAN, TRUCK, TRICYCLE, AWNING, BUS, MOTOR, OTHER = range(1, 12)
IN_LANES = {CAR: 46, VAN: 13, TRUCK: 9, BUS: 8, MOTOR: 10, TRICYCLE: 5, AWNING: 5, BICYCLE: 4, OTHER: 1}
IN_PARKING = {CAR: 78, VAN: 14, TRUCK: 3, TRICYCLE: 3, AWNING: 2}
AT_KERB = {MOTOR: 50, BICYCLE: 26, AWNING: 8, TRICYCLE: 6, OTHER: 2}
ON_FOOT = {PEDESTRIAN: 78, PEOPLE: 22}


class Town(Site):
    """A main road, mostly a crossing road, and blocks of buildings, parking, green and plazas around them.

    A third of the towns have a crowd on one plaza; with `crowds` all that have a plaza in sight.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        reach: float,
        heading: float,
        near: Callable[[np.ndarray, float], bool],
        crowds: bool = False,
    ):
        super().__init__(rng, reach, heading, near)
        self.bustle = rng.uniform(0.6, 1.6)
        self.asphalt = np.array([1.0, 0.98, 0.96]) * rng.uniform(70, 120)
        self.pavement = np.array([0.9, 0.97, 1.0]) * rng.uniform(135, 185)
        self.grass = np.array([62, 108, 92]) * rng.uniform(0.7, 1.15)
        self.half = LANE * int(rng.choice([1, 2, 2, 3]))
        self.cross = LANE * int(rng.choice([1, 1, 2]))
        self.crossing = rng.uniform(-14, 14) if rng.random() < 0.7 else 4 * reach  # 4 * reach: out of sight
        self.crowds = crowds
        self.crowded = rng.random() < 0.35 or crowds
        self._blocks()
        self._roads()
        self._traffic()
        self._pavements()

    def _roads(self) -> None:
        far, white, yellow = self.reach, (205, 208, 208), (70, 165, 200)
        c0, c1 = self.crossing - self.cross, self.crossing + self.cross
        kerb = self.pavement * 1.12
        self.paint(-far, far, -self.half - 0.3, self.half + 0.3, kerb)
        self.paint(c0 - 0.3, c1 + 0.3, -far, far, kerb)
        self.paint(c0, c1, -far, far, self.asphalt)
        self.paint(-far, far, -self.half, self.half, self.asphalt)
        for b in np.arange(-self.half + LANE, self.half - 0.1, LANE):
            length, colour = (6.0, yellow) if abs(b) < 0.1 else (2.6, white)  # the middle line, lines between lanes
            for a in np.arange(-far, far, 6.0):
                if not c0 - 6 < a + 3 < c1 + 6:
                    self.paint(a, a + length, b - 0.09, b + 0.09, colour)
        for b in np.arange(-far, far, 6.0):
            if abs(b + 3) > self.half + 6:
                self.paint(self.crossing - 0.09, self.crossing + 0.09, b, b + 6, yellow)
        for b in np.arange(-self.half + 0.4, self.half - 0.4, 1.1):  # zebra crossings
            self.paint(c0 - 5.0, c0 - 2.0, b, b + 0.55, white)
            self.paint(c1 + 2.0, c1 + 5.0, b, b + 0.55, white)

    def _blocks(self) -> None:
        far = self.reach
        self.paint(-far, far, -far, far, self.pavement)
        uses = {self._building: 30, self._parking: 26, self._green: 22, self._plaza: 22}
        c0, c1 = self.crossing - self.cross - PAVEMENT, self.crossing + self.cross + PAVEMENT
        for a_low, a_high in ((-far, min(c0, far)), (c1, far)):
            for side in (-1, 1):
                a = a_low
                while a < a_high - 8:
                    a_next = min(a + self.rng.uniform(15, 26), a_high)
                    b = self.half + PAVEMENT
                    while b < far:
                        b_next = b + self.rng.uniform(14, 22)
                        b0, b1 = sorted((side * b, side * (b_next - 1.0)))
                        self.pick(uses)(a + 0.5, a_next - 0.5, b0, b1)
                        b = b_next
                    a = a_next

    def _building(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self.stand(lambda: house(self.rng, a1 - a0, b1 - b0), (a0 + a1) / 2, (b0 + b1) / 2)

    def _parking(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self.paint(a0, a1, b0, b1, self.asphalt * 1.12)
        full = self.rng.uniform(0.45, 0.9)
        for b, turn in ((b0 + 2.8, np.pi / 2), (b1 - 2.8, -np.pi / 2)):
            for a in np.arange(a0 + 0.6, a1 - 2.6, 2.7):
                self.paint(a - 0.06, a + 0.06, b - 2.6, b + 2.6, (200, 203, 203))
                if self.rng.random() < full:
                    flip = np.pi * int(self.rng.integers(2)) + self.rng.normal(0, 0.04)
                    self.stand_object(IN_PARKING, a + 1.35, b + self.rng.uniform(-0.3, 0.3), turn + flip)

    def _green(self, a0: float, a1: float, b0: float, b1: float) -> None:
        self.paint(a0, a1, b0, b1, self.grass)
        path = self.rng.uniform(a0 + 3, a1 - 3)
        self.paint(path - 1, path + 1, b0, b1, self.pavement * 0.95)
        self.scatter(ON_FOOT, (path - 1, path + 1, b0, b1), 0.03 * self.bustle)
        for _ in range(self.rng.integers(2, 8)):
            a, b = self.rng.uniform([a0 + 1, b0 + 1], [a1 - 1, b1 - 1])
            self._tree(a, b, self.rng.uniform(1.3, 2.8))

    def _plaza(self, a0: float, a1: float, b0: float, b1: float) -> None:
        tiles = self.pavement * self.rng.uniform(0.85, 1.1)
        self.paint(a0, a1, b0, b1, tiles)
        for a in np.arange(a0, a1, 2.4):
            self.paint(a, a + 0.1, b0, b1, tiles * 0.88)
        for b in np.arange(b0, b1, 2.4):
            self.paint(a0, a1, b, b + 0.1, tiles * 0.88)
        if self.crowded:
            self.crowded = False
            self.scatter(ON_FOOT | {MOTOR: 30}, (a0 + 1, a1 - 1, b0 + 1, b1 - 1), 0.7, crowd=True)
        else:
            self.scatter(ON_FOOT | {BICYCLE: 6}, (a0, a1, b0, b1), 0.045 * self.bustle)

    def _tree(self, a: float, b: float, radius: float) -> None:
        self.stand(lambda: tree(self.rng, radius), a, b)

    def _traffic(self) -> None:
        for b in np.arange(-self.half + LANE / 2, self.half, LANE):
            self._lane(b, 0.0 if b < 0 else np.pi)
        for a in np.arange(-self.cross + LANE / 2, self.cross, LANE):
            self._lane(a, np.pi / 2 if a > 0 else -np.pi / 2, on_crossing=True)

    def _lane(self, offset: float, turn: float, on_crossing: bool = False) -> None:
        """Fill the lane at `offset` from the middle of its road; a crossing lane stays clear of the main road."""
        rng = self.rng
        along, gap = -self.reach + rng.uniform(0, 10), rng.uniform(5, 18) / self.bustle
        while along < self.reach:
            a, b = (self.crossing + offset, along) if on_crossing else (along, offset)
            if abs(a) < self.reach and not (on_crossing and abs(along) <= self.half + 7.5):
                swerve = rng.normal(0, 0.03)
                a, b = a + rng.uniform(-0.2, 0.2), b + rng.uniform(-0.2, 0.2)
                along += self.stand_object(IN_LANES, a, b, turn + swerve)
            along += 5.5 + rng.exponential(gap)

    def _pavements(self) -> None:
        rng, far = self.rng, self.reach
        for side in (-1, 1):
            b = side * (self.half + PAVEMENT / 2)
            self.scatter(ON_FOOT, (-far, far, b - 1.3, b + 0.6), 0.035 * self.bustle)
            for start in np.arange(-far, far, 16.0):
                if abs(start + 5 - self.crossing) < self.cross + 10:
                    continue
                use = rng.random()
                if use < 0.45:
                    self._tree(start + rng.uniform(8, 12), side * (self.half + PAVEMENT - 0.6), rng.uniform(1.1, 1.9))
                if use > 0.3:  # two-wheelers parked side by side
                    for i in range(rng.integers(2, 7)):
                        turn = side * np.pi / 2 + rng.normal(0, 0.12)
                        self.stand_object(AT_KERB, start + 1.9 * i, side * (self.half + 1.5), turn)
        zebra = self.crossing - self.cross - 3.5
        self.scatter({PEDESTRIAN: 1}, (zebra - 1.2, zebra + 1.2, -self.half, self.half), 0.06 * self.bustle)
