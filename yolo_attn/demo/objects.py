"""The VisDrone classes as solids in metres: x forward, y left, z up, standing on the origin.

People and two-wheelers are drawn a third larger than life: in a small picture they would be two pixels wide.
"""

from collections.abc import Sequence

import numpy as np

from yolo_attn.demo.view import Colour, Solid

GLASS = (58, 48, 40)
TYRE = (34, 32, 32)
SKIN = (120, 150, 195)
PAINTS = (
    (232, 232, 230),
    (232, 232, 230),
    (60, 55, 52),
    (60, 55, 52),
    (172, 170, 166),
    (150, 146, 142),
    (48, 44, 170),
    (150, 84, 40),
    (70, 86, 110),
    (40, 92, 150),
    (104, 120, 84),
)
CLOTHES = ((60, 50, 48), (200, 198, 196), (170, 90, 50), (50, 50, 185), (60, 150, 190), (90, 120, 60), (150, 80, 140))
BRIGHT = ((40, 160, 225), (190, 110, 30), (60, 150, 60), (50, 50, 200), (215, 205, 195))
LIFE = 1.35  # people and two-wheelers are this much larger than life


def _rectangle(back: float, front: float, width: float, bevel: float = 0.0) -> np.ndarray:
    """Return the ring around x back..front and y -width/2..width/2; a bevel cuts its corners."""
    side = width / 2
    if not bevel:
        return np.array([[back, -side], [front, -side], [front, side], [back, side]])
    x = [back + bevel, front - bevel, front, front, front - bevel, back + bevel, back, back]
    y = [-side, -side, bevel - side, side - bevel, side, side, side - bevel, bevel - side]
    return np.array([x, y]).T


def _box(
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
    bottom = _rectangle(back, front, width, bevel)
    top = _rectangle(back + taper, front - taper, width - 2 * taper, bevel)
    return Solid(bottom, top, low, high, sides, sides if roof is None else roof)


def _moved(solids: list[Solid], x: float, y: float = 0.0, up: float = 0.0, scale: float = 1.0) -> list[Solid]:
    shift = np.array([x, y])
    return [
        Solid(s.bottom * scale + shift, s.top * scale + shift, s.low * scale + up, s.high * scale + up, s.sides, s.roof)
        for s in solids
    ]


def _tint(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    colour = np.array(colours[int(rng.integers(len(colours)))]) * rng.uniform(0.85, 1.08) + rng.uniform(-8, 8, 3)
    blue, green, red = np.clip(colour, 12, 250).tolist()
    return blue, green, red


def _darker(colour: Colour, by: float = 0.8) -> Colour:
    blue, green, red = np.multiply(colour, by).tolist()
    return blue, green, red


def _person(rng: np.random.Generator, seated: bool = False) -> list[Solid]:
    shirt, trousers = _tint(rng, CLOTHES), _tint(rng, ((70, 60, 55), (95, 70, 50), (120, 120, 120)))
    hair = _tint(rng, ((30, 32, 36), (30, 32, 36), SKIN, (70, 160, 200)))
    hip = 0.42 if seated else 0.85
    legs = _box(0.0, 0.65, 0.42, 0.15, hip, trousers) if seated else _box(-0.16, 0.18, 0.36, 0.0, hip, trousers)
    torso = _box(-0.17, 0.17, 0.56, hip, hip + 0.62, shirt, bevel=0.08)
    head = _box(-0.13, 0.13, 0.25, hip + 0.62, hip + 0.88, SKIN, hair, bevel=0.07)
    return [legs, torso, head]


def pedestrian(rng: np.random.Generator) -> list[Solid]:
    return _moved(_person(rng), 0.0, scale=LIFE)


def people(rng: np.random.Generator) -> list[Solid]:
    """Two or three who sit side by side on a bench."""
    count = int(rng.integers(2, 4))
    bench = _box(-0.3, 0.3, 0.7 * count, 0.0, 0.4, (60, 90, 120), (70, 105, 140))
    sitting = [s for i in range(count) for s in _moved(_person(rng, seated=True), 0.0, 0.66 * (i - (count - 1) / 2))]
    return _moved([bench, *sitting], 0.0, scale=LIFE * 0.9)


def bicycle(rng: np.random.Generator) -> list[Solid]:
    frame = _tint(rng, ((40, 160, 225), (200, 190, 60), (215, 215, 215), (60, 60, 200)))
    wheels = [_box(x - 0.36, x + 0.36, 0.07, 0.0, 0.7, TYRE, bevel=0.02) for x in (-0.58, 0.58)]
    bar = [_box(-0.6, 0.55, 0.12, 0.5, 0.75, frame), _box(0.38, 0.5, 0.62, 0.9, 1.0, frame)]
    rider = _moved(_person(rng, seated=True)[1:], -0.2, up=0.5) if rng.random() < 0.35 else []
    return _moved([*wheels, *bar, *rider], 0.0, scale=LIFE)


def motor(rng: np.random.Generator) -> list[Solid]:
    paint = _tint(rng, ((45, 40, 40), (50, 50, 180), (150, 70, 40), (210, 210, 210)))
    wheels = [_box(x - 0.32, x + 0.32, 0.2, 0.0, 0.6, TYRE, bevel=0.06) for x in (-0.68, 0.68)]
    body = [_box(-0.95, 0.2, 0.46, 0.4, 0.8, paint, (45, 42, 42), 0.1), _box(0.3, 0.8, 0.5, 0.3, 1.0, paint, bevel=0.1)]
    bars = [_box(0.42, 0.54, 0.85, 1.0, 1.1, TYRE)]
    rider = _moved(_person(rng, seated=True), -0.3, up=0.5) if rng.random() < 0.75 else []
    return _moved([*wheels, *body, *bars, *rider], 0.0, scale=LIFE * 0.95)


def car(rng: np.random.Generator) -> list[Solid]:
    paint, long = _tint(rng, PAINTS), rng.uniform(4.1, 4.7)
    cabin = -0.5 * long + (0.25 if rng.random() < 0.35 else 0.75)  # hatchback or saloon
    roof_end = 0.14 * long
    return [
        _box(-0.5 * long, 0.5 * long, 1.85, 0.25, 0.9, paint, bevel=0.3, taper=0.04),
        Solid(
            _rectangle(cabin, roof_end + 0.75, 1.7), _rectangle(cabin + 0.45, roof_end, 1.36), 0.9, 1.45, GLASS, paint
        ),
    ]


def van(rng: np.random.Generator) -> list[Solid]:
    paint, long = _tint(rng, ((235, 235, 232), (235, 235, 232), (180, 176, 170), (90, 84, 80))), rng.uniform(5.0, 5.6)
    front = 0.5 * long
    windscreen = Solid(
        _rectangle(front - 1.6, front - 0.45, 1.95),
        _rectangle(front - 1.6, front - 1.25, 1.75),
        1.05,
        2.1,
        GLASS,
        paint,
    )
    ribs = [
        _box(x, x + 0.14, 1.5, 2.2, 2.22, paint, _darker(paint, 0.72)) for x in np.arange(-front + 0.5, front - 2, 0.8)
    ]
    return [
        _box(-front, front, 2.0, 0.25, 1.05, paint, bevel=0.2),
        windscreen,
        _box(-front + 0.02, front - 1.5, 2.0, 1.05, 2.2, paint, taper=0.06),
        *ribs,
    ]


def truck(rng: np.random.Generator) -> list[Solid]:
    cab, load, long = (
        _tint(rng, BRIGHT),
        _tint(rng, ((150, 140, 130), (200, 150, 70), (70, 110, 150))),
        rng.uniform(6.8, 8.2),
    )
    front, wall = 0.5 * long, rng.uniform(1.9, 2.8)
    bed = _box(-front, front - 2.2, 2.45, 0.6, wall, load)
    if rng.random() < 0.6:  # an open bed with its cargo
        cargo = _tint(rng, ((70, 105, 140), (110, 115, 120), (80, 95, 90)))
        inside = [_box(-front + 0.2, front - 2.4, 2.05, wall, wall + 0.02, cargo)]
    else:
        inside = [
            _box(x, x + 0.12, 2.3, wall, wall + 0.02, load, _darker(load))
            for x in np.arange(-front + 0.6, front - 2.4, 1.1)
        ]
    return [
        _box(-front, front - 0.2, 2.2, 0.3, 0.6, TYRE),
        bed,
        *inside,
        _box(front - 1.9, front, 2.35, 0.4, 1.4, cab),
        Solid(_rectangle(front - 1.9, front, 2.35), _rectangle(front - 1.9, front - 0.3, 2.2), 1.4, 2.4, GLASS, cab),
    ]


def _trike(rng: np.random.Generator, long: float) -> list[Solid]:
    paint = _tint(rng, ((60, 60, 190), (170, 100, 40), (70, 130, 60), (110, 112, 115)))
    return [
        _box(0.5 * long - 0.6, 0.5 * long, 0.2, 0.0, 0.65, TYRE, bevel=0.06),
        _box(0.5 * long - 0.55, 0.5 * long - 0.4, 0.95, 0.9, 1.0, TYRE),
        _box(-0.3, 0.5 * long - 0.4, 0.5, 0.3, 0.6, paint),
        _box(-0.5 * long, 0.0, 1.35, 0.3, 0.95, paint),
    ]


def tricycle(rng: np.random.Generator) -> list[Solid]:
    """A cargo tricycle: an open tray behind a rider."""
    long = rng.uniform(2.9, 3.3)
    tray = _box(
        -0.5 * long + 0.14, -0.14, 1.07, 0.95, 0.96, _tint(rng, ((50, 55, 60), (110, 140, 160), (95, 100, 100)))
    )
    rider = _moved(_person(rng, seated=True), 0.2, up=0.35)
    return _moved([*_trike(rng, long), tray, *rider], 0.0, scale=1.12)


def awning_tricycle(rng: np.random.Generator) -> list[Solid]:
    """The same under a bright canopy with a ridge."""
    long, cloth = rng.uniform(2.8, 3.2), _tint(rng, ((60, 60, 205), (200, 120, 40), (70, 160, 70), (60, 190, 225)))
    ridge = _box(-0.5 * long, 0.5 * long - 0.7, 0.3, 1.98, 2.0, cloth, (225, 228, 230))
    return _moved(
        [*_trike(rng, long), _box(-0.5 * long, 0.5 * long - 0.6, 1.5, 1.6, 1.98, cloth, taper=0.1), ridge],
        0.0,
        scale=1.12,
    )


def bus(rng: np.random.Generator) -> list[Solid]:
    paint, long = _tint(rng, BRIGHT), rng.uniform(9.5, 11.5)
    front, roof = 0.5 * long, _tint(rng, ((225, 225, 222), (215, 210, 200), paint))
    units = [
        _box(x - 0.9, x + 0.9, 1.5, 3.0, 3.2, (170, 170, 168), (185, 185, 182)) for x in (-0.27 * long, 0.2 * long)
    ]
    return [
        _box(-front, front, 2.6, 0.3, 1.4, paint),
        _box(-front, front, 2.6, 1.4, 2.4, GLASS),
        _box(-front, front, 2.6, 2.4, 3.0, paint, roof, bevel=0.25),
        *units,
    ]


def other(rng: np.random.Generator) -> list[Solid]:
    """An excavator, of the category "others"."""
    yellow = _tint(rng, ((30, 150, 205), (40, 120, 200)))
    track = [_box(-1.5, 1.5, 0.55, 0.0, 0.8, TYRE)]
    tracks = _moved(track, 0.0, -0.95) + _moved(track, 0.0, 0.95)
    cabin = _box(0.1, 1.2, 1.0, 1.7, 2.6, GLASS, yellow, taper=0.1)
    return [
        *tracks,
        _box(-1.5, 1.3, 2.1, 0.8, 1.7, yellow, bevel=0.25),
        cabin,
        _box(1.2, 4.2, 0.4, 1.4, 2.0, _darker(yellow, 0.9)),
    ]


SHAPES = (pedestrian, people, bicycle, car, van, truck, tricycle, awning_tricycle, bus, motor, other)  # category - 1
