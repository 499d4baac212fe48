"""A detector over overlapping tiles of each picture, for objects that are small in large pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, require_images
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.tile_merging import cut_but_whole_elsewhere, joined, merge_repeated, suppress_repeated
from yolo_attn.tiling import TileGrid

Merge = Literal["nms", "greedy"]


@dataclass(frozen=True)
class TileSettings:
    """How pictures are cut into tiles, and how the boxes of the tiles become those of the picture.

    Boxes of a class are repeated if they overlap by `merge_threshold` or more: by IoU for "nms", which keeps the best, by the
    share of the smaller box for "greedy", which encloses them.

    Raises:
        ValueError: A value is out of range.
    """

    grid: TileGrid
    whole: bool = True  # also run the whole picture, for objects larger than a tile
    keep_cut: bool = False  # keep boxes that an inner border cuts also where another tile holds them whole
    merge: Merge = "nms"
    merge_threshold: float = 0.5
    adaptive: float | None = None  # run at most this share of the tiles, placed where the whole picture shows something

    def __post_init__(self) -> None:
        if self.merge not in get_args(Merge) or not 0 < self.merge_threshold <= 1:
            raise ValueError(
                f"tiles: merge {self.merge!r} at {self.merge_threshold}; merge is {' or '.join(get_args(Merge))}, its threshold"
                " is above 0 and at most 1"
            )
        if self.adaptive is not None and not (0 < self.adaptive <= 1 and self.whole):
            raise ValueError(
                f"tiles: adaptive {self.adaptive}, whole {self.whole}; adaptive is a share of the tiles, above 0 and at most 1,"
                " and needs the pass over the whole picture"
            )


class TiledDetector(Detector):
    """A detector that runs on the tiles of each image, and by default on the whole image; tiles of all images share batches.

    Args:
        detector: Runs the tiles; each is scaled to its `imgsz`.
        tiles: Settings of the tiles. `max_det` holds for a tile and for an image.

    Raises:
        ValueError: The tiles are smaller than the model's stride.
    """

    def __init__(self, detector: Detector, tiles: TileSettings):
        super().__init__(detector.file, detector.info, detector.settings, detector.at_once, detector.batch)
        self._network, self.tiles = detector, tiles
        if tiles.grid.size is not None and tiles.grid.size < self.info.stride:
            raise ValueError(
                f"{self.file}: tiles of {tiles.grid.size} pixels are smaller than the model's stride of {self.info.stride};"
                " name a larger side"
            )

    def _detect(self, padded: list[np.ndarray], settings: DetectionSettings) -> list[Detections]:
        return self._network._detect(padded, settings)

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect boxes on images (H, W, 3) uint8, BGR, of any sizes. Errors are those of `Detector`."""
        require_images(images)
        parts = [self._parts(image) for image in images]
        found = iter(super().__call__([part for of_image in parts for part in of_image]))
        return [
            self._on_image([next(found) for _ in of_image], self.tiles.grid.windows(*image.shape[:2]), *image.shape[:2])
            for image, of_image in zip(images, parts, strict=True)
        ]

    def input_pixels(self, height: int, width: int) -> int:
        """Return the number of pixels that the network runs over for an image of this size, over all tiles."""
        sizes = [(bottom - top, right - left) for left, top, right, bottom in self._windows(height, width)]
        return sum(super(TiledDetector, self).input_pixels(*size) for size in sizes)

    def _windows(self, height: int, width: int) -> list[list[int]]:
        """Size of an image -> xyxy of its tiles, and of itself if there are several and it is asked for."""
        tiles = self.tiles.grid.windows(height, width).tolist()
        return [*tiles, [0, 0, width, height]] if self.tiles.whole and len(tiles) > 1 else tiles

    def _parts(self, image: np.ndarray) -> list[np.ndarray]:
        """Image -> what the network runs over; views, no copies."""
        return [image[top:bottom, left:right] for left, top, right, bottom in self._windows(*image.shape[:2])]

    def _on_image(self, parts: Sequence[Detections], windows: np.ndarray, height: int, width: int) -> Detections:
        """Boxes on each tile, and on the whole image if it was run -> the boxes of the image.

        Part for part belongs to `windows` (T, 4), among which one that holds a cut box whole is looked for; the rest to the image.
        """
        on_image = [*parts[len(windows) :]]
        for index, window in enumerate(windows):
            boxes = parts[index].boxes + np.tile(window[:2], 2).astype(np.float32)
            kept = np.ones(len(boxes), bool)
            if not self.tiles.keep_cut:
                kept = ~cut_but_whole_elsewhere(boxes, index, windows, height, width)
            on_image.append(Detections(boxes[kept], parts[index].scores[kept], parts[index].classes[kept]))
        merge = suppress_repeated if self.tiles.merge == "nms" else merge_repeated
        return merge(joined(on_image), self.tiles.merge_threshold, self.settings.max_det)
