"""Training images are gray inside their ignored regions, if the data YAML says `ignored: fill`.

Ultralytics knows labels only: an object that nobody annotated because it stands in an ignored region is trained as background.
Gray pixels hold no object. They are filled when an image is loaded, before every augmentation, and only in memory: cached and
stored pictures stay as they are, as do validation and prediction.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from ultralytics.utils import LOGGER

from yolo_attn.yolo_format.rows import IGNORED, beside, corners, read_regions

KEY, FILL = "ignored", "fill"  # in the data YAML
GRAY = 114  # as Ultralytics pads images


def with_ignored_regions(original: Callable) -> Callable:
    """Wrap `ultralytics.data.dataset.YOLODataset.get_labels`, which runs before any image is loaded."""

    def get_labels(self: Any) -> list[dict]:
        labels = original(self)
        if self.augment and self.data.get(KEY) is not None:
            if self.data[KEY] != FILL:
                raise ValueError(
                    f"{self.data.get('yaml_file', 'data YAML')}: {KEY} is {self.data[KEY]!r}; the only value is {FILL},"
                    " and without the key nothing is filled"
                )
            regions = read_all(self.im_files)
            count, images = sum(map(len, regions.values())), f"{len(regions):,} of {len(self.im_files):,} images"
            LOGGER.info(f"{self.prefix}{count:,} ignored regions in {images} are filled with gray")
            self.load_image = LoadFilled(self, regions)
        return labels

    return get_labels


def read_all(images: list[str]) -> dict[str, np.ndarray]:
    """Image paths -> {path: ignored regions (N, 4)} of those that have any.

    Raises:
        FileNotFoundError: An image has no file of ignored regions.
        ValueError: A file is damaged.
    """

    def read(image: str) -> np.ndarray | None:
        try:
            return read_regions(beside(image, IGNORED))
        except FileNotFoundError:
            return None

    with ThreadPoolExecutor(8) as pool:
        regions = dict(zip(images, pool.map(read, images), strict=True))
    if missing := [image for image, found in regions.items() if found is None]:
        raise FileNotFoundError(
            f"{beside(missing[0], IGNORED)}: not there, nor those of {len(missing) - 1:,} other of {len(images):,} training images;"
            f" `{KEY}: {FILL}` needs a file for every image, empty where nothing is ignored; `yolo-attn visdrone prepare` writes them"
        )
    return {image: found for image, found in regions.items() if found is not None and len(found)}


class LoadFilled:
    """Loads an image of a data set as its class does, and fills the ignored regions with gray.

    It takes the place of the method in one data set only, and takes itself along to worker processes that are spawned.

    Args:
        dataset: A `YOLODataset` for training.
        regions: {image path: (N, 4) x, y, width, height of the centre and sides as fractions}.
    """

    def __init__(self, dataset: Any, regions: dict[str, np.ndarray]):
        self.dataset, self.regions = dataset, regions

    def __call__(self, index: int, *args: Any, **kwargs: Any) -> tuple:
        dataset = self.dataset
        is_filled = dataset.ims[index] is not None  # loaded through this method before: a mosaic's buffer or cache=ram
        image, *sizes = type(dataset).load_image(dataset, index, *args, **kwargs)
        if not is_filled and (regions := self.regions.get(dataset.im_files[index])) is not None:
            # In place: the data set holds the same array in its buffer.
            fill(image, regions, dataset.labels[index]["bboxes"])
        return image, *sizes


def fill(image: np.ndarray, regions: np.ndarray, labelled: np.ndarray) -> None:
    """Make an image (H, W, C) gray inside regions (N, 4), but not inside labelled boxes (M, 4), all fractions of centre and sides.

    A labelled object stays visible: a label on gray would teach that gray is an object.
    """
    height, width = image.shape[:2]
    ignored = np.zeros((height, width), bool)
    for boxes, value in ((regions, True), (labelled, False)):
        limits = np.rint(corners(boxes, width, height)).clip(0, [width, height, width, height]).astype(int)
        for left, top, right, bottom in limits:
            ignored[top:bottom, left:right] = value
    image[ignored] = GRAY
