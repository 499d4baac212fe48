"""The VisDrone classes as solids: x forward, y left, z up, standing on the origin.

People and two-wheelers are drawn a third larger than life: in a small picture they would be two pixels wide.
"""

import numpy as np

from yolo_attn.demo.solids import Colour, Solid, box, moved, rectangle

LIFE = 1.35  # people and two-wheelers are this much larger than life
GLASS = (58, 48, 40)
TYRE = (34, 32, 32)
SKIN = (120, 150, 195)
WHITE, BLACK = (232, 232, 230), (60, 55, 52)  # twice as common as other paints
RARER = ((172, 170, 166), (150, 146, 142), (48, 44, 170), (150, 84, 40), (70, 86, 110), (40, 92, 150), (104, 120, 84))
PAINTS = (WHITE, WHITE, BLACK, BLACK, *RARER)
CLOTHES = ((60, 50, 48), (200, 198, 196), (170, 90, 50), (50, 50, 185), (60, 150, 190), (90, 120, 60), (150, 80, 140))
BRIGHT = ((40, 160, 225), (190, 110, 30), (60, 150, 60), (50, 50, 200), (215, 205, 195))


def _tint(rng: np.random.Generator, *colours: Colour) -> np.ndarray:
    """Return one of the colours, varied."""
    colour = np.array(colours[int(rng.integers(len(colours)))]) * rng.uniform(0.85, 1.08) + rng.uniform(-8, 8, 3)
    return np.clip(colour, 12, 250)


def _person(rng: np.random.Generator, seated: bool = False) -> list[Solid]:
    shirt, trousers = _tint(rng, *CLOTHES), _tint(rng, (70, 60, 55), (95, 70, 50), (120, 120, 120))
    hair = _tint(rng, (30, 32, 36), (30, 32, 36), SKIN, (70, 160, 200))
    hip = 0.42 if seated else 0.85
    legs = box(0.0, 0.65, 0.42, 0.15, hip, trousers) if seated else box(-0.16, 0.18, 0.36, 0.0, hip, trousers)
    torso = box(-0.17, 0.17, 0.56, hip, hip + 0.62, shirt, bevel=0.08)
    head = box(-0.13, 0.13, 0.25, hip + 0.62, hip + 0.88, SKIN, hair, bevel=0.07)
    return [legs, torso, head]


def pedestrian(rng: np.random.Generator) -> list[Solid]:
    return moved(_person(rng), scale=LIFE)


def people(rng: np.random.Generator) -> list[Solid]:
    """Two or three people side by side on a bench."""
    count = int(rng.integers(2, 4))
    solids = [box(-0.3, 0.3, 0.7 * count, 0.0, 0.4, (60, 90, 120), (70, 105, 140))]
    for i in range(count):
        solids += moved(_person(rng, seated=True), y=0.66 * (i - (count - 1) / 2))
    return moved(solids, scale=LIFE * 0.9)


def bicycle(rng: np.random.Generator) -> list[Solid]:
    frame = _tint(rng, (40, 160, 225), (200, 190, 60), (215, 215, 215), (60, 60, 200))
    wheels = [box(x - 0.36, x + 0.36, 0.07, 0.0, 0.7, TYRE, bevel=0.02) for x in (-0.58, 0.58)]
    bar = [box(-0.6, 0.55, 0.12, 0.5, 0.75, frame), box(0.38, 0.5, 0.62, 0.9, 1.0, frame)]
    rider = moved(_person(rng, seated=True)[1:], -0.2, up=0.5) if rng.random() < 0.35 else []
    return moved([*wheels, *bar, *rider], scale=LIFE)


def motor(rng: np.random.Generator) -> list[Solid]:
    paint = _tint(rng, (45, 40, 40), (50, 50, 180), (150, 70, 40), (210, 210, 210))
    wheels = [box(x - 0.32, x + 0.32, 0.2, 0.0, 0.6, TYRE, bevel=0.06) for x in (-0.68, 0.68)]
    seat = box(-0.95, 0.2, 0.46, 0.4, 0.8, paint, (45, 42, 42), bevel=0.1)
    front, bar = box(0.3, 0.8, 0.5, 0.3, 1.0, paint, bevel=0.1), box(0.42, 0.54, 0.85, 1.0, 1.1, TYRE)
    rider = moved(_person(rng, seated=True), -0.3, up=0.5) if rng.random() < 0.75 else []
    return moved([*wheels, seat, front, bar, *rider], scale=LIFE * 0.95)


def car(rng: np.random.Generator) -> list[Solid]:
    paint, long = _tint(rng, *PAINTS), rng.uniform(4.1, 4.7)
    cabin = -0.5 * long + (0.25 if rng.random() < 0.35 else 0.75)  # hatchback or saloon
    roof_end = 0.14 * long
    windows, roof = rectangle(cabin, roof_end + 0.75, 1.7), rectangle(cabin + 0.45, roof_end, 1.36)
    body = box(-0.5 * long, 0.5 * long, 1.85, 0.25, 0.9, paint, bevel=0.3, taper=0.04)
    return [body, Solid(windows, roof, 0.9, 1.45, GLASS, paint)]


def van(rng: np.random.Generator) -> list[Solid]:
    paint = _tint(rng, (235, 235, 232), (235, 235, 232), (180, 176, 170), (90, 84, 80))
    front = 0.5 * rng.uniform(5.0, 5.6)
    windscreen = rectangle(front - 1.6, front - 0.45, 1.95), rectangle(front - 1.6, front - 1.25, 1.75)
    ribs = np.arange(-front + 0.5, front - 2, 0.8)
    return [
        box(-front, front, 2.0, 0.25, 1.05, paint, bevel=0.2),
        Solid(*windscreen, 1.05, 2.1, GLASS, paint),
        box(-front + 0.02, front - 1.5, 2.0, 1.05, 2.2, paint, taper=0.06),
        *(box(x, x + 0.14, 1.5, 2.2, 2.22, paint, paint * 0.72) for x in ribs),
    ]


def truck(rng: np.random.Generator) -> list[Solid]:
    paint, load = _tint(rng, *BRIGHT), _tint(rng, (150, 140, 130), (200, 150, 70), (70, 110, 150))
    front, wall = 0.5 * rng.uniform(6.8, 8.2), rng.uniform(1.9, 2.8)
    if rng.random() < 0.6:  # an open bed with its cargo
        cargo = _tint(rng, (70, 105, 140), (110, 115, 120), (80, 95, 90))
        top = [box(-front + 0.2, front - 2.4, 2.05, wall, wall + 0.02, cargo)]
    else:
        ribs = np.arange(-front + 0.6, front - 2.4, 1.1)
        top = [box(x, x + 0.12, 2.3, wall, wall + 0.02, load, load * 0.8) for x in ribs]
    return [
        box(-front, front - 0.2, 2.2, 0.3, 0.6, TYRE),
        box(-front, front - 2.2, 2.45, 0.6, wall, load),
        *top,
        box(front - 1.9, front, 2.35, 0.4, 1.4, paint),
        Solid(rectangle(front - 1.9, front, 2.35), rectangle(front - 1.9, front - 0.3, 2.2), 1.4, 2.4, GLASS, paint),
    ]


def _three_wheeler(rng: np.random.Generator, long: float) -> list[Solid]:
    paint = _tint(rng, (60, 60, 190), (170, 100, 40), (70, 130, 60), (110, 112, 115))
    return [
        box(0.5 * long - 0.6, 0.5 * long, 0.2, 0.0, 0.65, TYRE, bevel=0.06),
        box(0.5 * long - 0.55, 0.5 * long - 0.4, 0.95, 0.9, 1.0, TYRE),
        box(-0.3, 0.5 * long - 0.4, 0.5, 0.3, 0.6, paint),
        box(-0.5 * long, 0.0, 1.35, 0.3, 0.95, paint),
    ]


def tricycle(rng: np.random.Generator) -> list[Solid]:
    """A cargo tricycle: an open tray behind a rider."""
    long = rng.uniform(2.9, 3.3)
    floor = _tint(rng, (50, 55, 60), (110, 140, 160), (95, 100, 100))
    tray = box(-0.5 * long + 0.14, -0.14, 1.07, 0.95, 0.96, floor)
    rider = moved(_person(rng, seated=True), 0.2, up=0.35)
    return moved([*_three_wheeler(rng, long), tray, *rider], scale=1.12)


def awning_tricycle(rng: np.random.Generator) -> list[Solid]:
    """A tricycle under a bright canopy with a ridge."""
    long, cloth = rng.uniform(2.8, 3.2), _tint(rng, (60, 60, 205), (200, 120, 40), (70, 160, 70), (60, 190, 225))
    canopy = box(-0.5 * long, 0.5 * long - 0.6, 1.5, 1.6, 1.98, cloth, taper=0.1)
    ridge = box(-0.5 * long, 0.5 * long - 0.7, 0.3, 1.98, 2.0, cloth, (225, 228, 230))
    return moved([*_three_wheeler(rng, long), canopy, ridge], scale=1.12)


def bus(rng: np.random.Generator) -> list[Solid]:
    paint, long = _tint(rng, *BRIGHT), rng.uniform(9.5, 11.5)
    front, roof = 0.5 * long, _tint(rng, (225, 225, 222), (215, 210, 200), paint)
    units = (-0.27 * long, 0.2 * long)
    return [
        box(-front, front, 2.6, 0.3, 1.4, paint),
        box(-front, front, 2.6, 1.4, 2.4, GLASS),
        box(-front, front, 2.6, 2.4, 3.0, paint, roof, bevel=0.25),
        *(box(x - 0.9, x + 0.9, 1.5, 3.0, 3.2, (170, 170, 168), (185, 185, 182)) for x in units),
    ]


def excavator(rng: np.random.Generator) -> list[Solid]:
    """An object of the category "others"."""
    yellow = _tint(rng, (30, 150, 205), (40, 120, 200))
    track = box(-1.5, 1.5, 0.55, 0.0, 0.8, TYRE)
    return [
        *moved([track], y=-0.95),
        *moved([track], y=0.95),
        box(-1.5, 1.3, 2.1, 0.8, 1.7, yellow, bevel=0.25),
        box(0.1, 1.2, 1.0, 1.7, 2.6, GLASS, yellow, taper=0.1),
        box(1.2, 4.2, 0.4, 1.4, 2.0, yellow * 0.9),
    ]


# By category - 1.
SHAPES = (pedestrian, people, bicycle, car, van, truck, tricycle, awning_tricycle, bus, motor, excavator)
