"""Houses and trees as solids in metres, standing on the origin."""

import numpy as np

from yolo_attn.demo.solids import Solid

ROOFS = ((150, 152, 155), (105, 108, 112), (80, 90, 150), (140, 120, 95), (185, 190, 195))
SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) / 2
STOREY = 3.0


def house(rng: np.random.Generator, long: float, wide: float) -> list[Solid]:
    """One to three storeys with bands of windows on a lot of long x wide metres, under a hip roof or a flat one."""
    outline = np.array([long * rng.uniform(0.75, 0.95), wide * rng.uniform(0.7, 0.92)])
    block, top = SQUARE * outline, STOREY * int(rng.integers(1, 4))
    wall, roof = np.array([0.9, 0.96, 1.0]) * rng.uniform(120, 215), np.array(ROOFS[int(rng.integers(len(ROOFS)))])
    solids = []
    for floor in np.arange(0, top, STOREY):
        solids += [
            Solid(block, block, floor, floor + 1.1, wall, wall),
            Solid(block, block, floor + 1.1, floor + 2.3, wall * 0.55, wall),
            Solid(block, block, floor + 2.3, floor + STOREY, wall, roof * 1.05),
        ]
    if rng.random() < 0.4:
        ridge = block * ([0.7, 0.04] if long > wide else [0.04, 0.7])
        return [*solids, Solid(block * 1.05, ridge, top, top + 2.4, roof * 1.25, roof)]
    solids.append(Solid(block * 0.94, block * 0.94, top, top, roof, roof * rng.uniform(0.8, 0.92)))
    for _ in range(rng.integers(1, 5)):
        unit = SQUARE * rng.uniform(1, 2.6, 2) + rng.uniform(-0.33, 0.33, 2) * outline
        grey = np.full(3, rng.uniform(110, 200))
        solids.append(Solid(unit, unit, top, top + rng.uniform(0.5, 1.5), grey, grey * 1.1))
    return solids


def tree(rng: np.random.Generator, radius: float) -> list[Solid]:
    """A trunk and leaf clumps, each a dark disc under a light one, the lower clumps first."""
    angle = np.arange(7) * 2 * np.pi / 7
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    green = np.array([rng.uniform(30, 55), rng.uniform(85, 115), rng.uniform(50, 95)])
    base = radius * rng.uniform(0.9, 1.5)
    solids = [Solid(ring * 0.15, ring * 0.15, 0, base, (50, 70, 90), (50, 70, 90))]
    for height in np.sort(rng.uniform(0, 1, 16)):
        out = radius * 0.85 * np.sqrt(1 - height**2) * np.sqrt(rng.random())
        direction, size = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.28, 0.45)
        clump = ring * size + out * np.array([np.cos(direction), np.sin(direction)])
        low, leaf = base + height * radius * 0.9, green * (0.62 + 0.5 * height) * rng.uniform(0.85, 1.15)
        solids.append(Solid(clump, clump, low, low, leaf * 0.7, leaf * 0.7))
        lit = ring * size * 0.8 + clump.mean(0)
        solids.append(Solid(lit, lit, low + size / 2, low + size / 2, leaf, leaf * 1.1))
    return solids
