"""How large objects are: in their pictures, relative to them, and in the picture that a training sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_attn.advice.objects import Objects

TRAINING_SIZES = (640, 960, 1280, 1536, 1920)
SMALL = (8, 16, 32)  # pixels: one cell of the stride-8 map, two, and COCO's limit of small objects
PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class AtSize:
    """Objects in a picture whose longer side is scaled to `imgsz`, as Ultralytics does. Augmentation is left out."""

    imgsz: int
    median_side: float
    below: dict[int, float]  # {pixels: share of the objects with a smaller side, 0 to 1}


@dataclass(frozen=True)
class Sizes:
    """The distribution of the sizes of a split; a side is the root of an area.

    Attributes:
        pictures: Number of pictures, those without an object included.
        background: Pictures without an object.
        unreadable: Pictures that Ultralytics leaves out.
        objects: Number of objects.
        width: Mean width of the pictures with objects, in pixels.
        height: Mean height of the same.
        longer_side: Median of the longer sides of the same.
        side: {percentile: pixels} of the objects' sides.
        relative_side: {percentile: 0 to 1} of the sides, each divided by that of its picture.
        relative_box: Median over the pictures of their mean box width / width and mean box height / height, averaged.
        at: The objects at each training size.
    """

    pictures: int
    background: int
    unreadable: int
    objects: int
    width: float
    height: float
    longer_side: float
    side: dict[int, float]
    relative_side: dict[int, float]
    relative_box: float
    at: tuple[AtSize, ...]


def measure(objects: Objects, training_sizes: Sequence[int] = TRAINING_SIZES) -> Sizes:
    """Objects -> the distribution of their sizes.

    Raises:
        ValueError: A training size is below 1, or none is given.
    """
    if not training_sizes or min(training_sizes) < 1:
        raise ValueError(f"advise: training sizes are {list(training_sizes)}; give whole numbers of pixels, 1 or above")
    used, counts = np.unique(objects.picture, return_counts=True)
    pictures = objects.pictures[used]
    place = np.repeat(np.arange(len(used)), counts)
    ratio = np.zeros((len(used), 2))
    np.add.at(ratio, place, objects.boxes / pictures[place])
    relative = objects.sides / np.sqrt(pictures.prod(1))[place]
    scaled = objects.sides / pictures.max(1)[place]
    return Sizes(
        pictures=len(objects.pictures),
        background=len(objects.pictures) - len(used),
        unreadable=objects.unreadable,
        objects=len(objects.sides),
        width=float(pictures[:, 0].mean()),
        height=float(pictures[:, 1].mean()),
        longer_side=float(np.median(pictures.max(1))),
        side=_percentiles(objects.sides),
        relative_side=_percentiles(relative),
        relative_box=float(np.median(ratio / counts[:, None], 0).mean()),
        at=tuple(_at_size(scaled * imgsz, imgsz) for imgsz in sorted(set(training_sizes))),
    )


def _percentiles(values: np.ndarray) -> dict[int, float]:
    return dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))


def _at_size(sides: np.ndarray, imgsz: int) -> AtSize:
    below = {limit: float((sides < limit).mean()) for limit in SMALL}
    return AtSize(imgsz=imgsz, median_side=float(np.median(sides)), below=below)
