"""Tiles where a coarse pass over the whole picture suspects objects, instead of a grid over all of it; nothing is trained.

Clusters of detections are what ClusDet (Yang et al., ICCV 2019, https://arxiv.org/abs/1904.08008) trains a network to find.
Here the detections themselves decide, those of low scores included: tiles are placed one after the other where they hold the
highest sum of scores that no tile holds yet.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import require_images
from yolo_attn.detection.letterbox import Letterbox, letterbox
from yolo_attn.detection.tiled_detector import TiledDetector
from yolo_attn.tiling import TileGrid

STEPS = 8  # places of a tile along its own side
CONTEXT = 0.5  # of a box's size, around it, that a tile must hold, too
COARSE = 1.5  # input of the coarse pass, in sides of the input of a tile
COARSE_CONF = 0.01  # scores of the coarse pass that count


def worthwhile_tiles(coarse: Detections, grid: TileGrid, share: float, height: int, width: int) -> np.ndarray:
    """Detections of the coarse pass -> tiles (T, 4) xyxy of the grid's size, at most `share` of the grid's number.

    Fewer are placed where they hold everything that can be held; none where nothing was detected, or where one tile is the
    whole picture.
    """
    windows = grid.windows(height, width)
    if len(windows) == 1:
        return windows[:0]
    tile = windows[0, 2:] - windows[0, :2]  # width and height
    lefts, tops = (
        np.append(np.arange(0, free, -(-side // STEPS)), free)
        for free, side in zip([width, height] - tile, tile, strict=True)
    )
    corners = np.stack(np.meshgrid(lefts, tops), -1).reshape(-1, 2)
    margin = CONTEXT * (coarse.boxes[:, 2:] - coarse.boxes[:, :2])
    low = np.maximum(coarse.boxes[:, :2] - margin, 0)
    high = np.minimum(coarse.boxes[:, 2:] + margin, [width, height])
    held = ((corners[:, None] <= low) & (corners[:, None] + tile >= high)).all(-1)  # (places, boxes)
    missing = coarse.scores.astype(np.float64)
    chosen: list[np.ndarray] = []
    for _ in range(int(share * len(windows))):
        worth = held @ missing
        best = int(worth.argmax())
        if worth[best] <= 0:
            break
        chosen.append(np.r_[corners[best], corners[best] + tile])
        missing[held[best]] = 0
    return np.array(chosen, np.int64).reshape(-1, 4)


class AdaptiveDetector(TiledDetector):
    """A detector that runs on whole images, and on the tiles that are worth it by what it finds there.

    A network that takes any size sees the whole image larger than a tile, by `COARSE`: what it finds decides about the tiles, and
    outside of them nothing else is found. Arguments and errors are those of `TiledDetector`; `tiles.adaptive` is given.
    """

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect boxes on images (H, W, 3) uint8, BGR, of any sizes. Errors are those of `Detector`."""
        require_images(images)
        assert self.tiles.adaptive is not None
        conf = self.settings.conf
        places = [self._coarse_place(*image.shape[:2]) for image in images]
        coarse = self._run(images, replace(self.settings, conf=min(conf, COARSE_CONF)), places)
        chosen = [
            worthwhile_tiles(found, self.tiles.grid, self.tiles.adaptive, *image.shape[:2])
            for image, found in zip(images, coarse, strict=True)
        ]
        crops = [
            image[top:bottom, left:right]
            for image, windows in zip(images, chosen, strict=True)
            for left, top, right, bottom in windows.tolist()
        ]
        on_tiles = iter(self._run(crops, self.settings))
        results = []
        for image, windows, whole in zip(images, chosen, coarse, strict=True):
            height, width = image.shape[:2]
            above = whole.scores > conf
            parts = [next(on_tiles) for _ in windows]
            parts.append(Detections(whole.boxes[above], whole.scores[above], whole.classes[above]))
            # No second tile holds what the border of a tile cuts, so the whole image counts as one.
            results.append(self._on_image(parts, np.vstack([windows, [[0, 0, width, height]]]), height, width))
        return results

    def input_pixels(self, height: int, width: int) -> int:
        """Return the largest number of pixels that the network runs over for an image of this size."""
        windows = self.tiles.grid.windows(height, width)
        most = int(self.tiles.adaptive * len(windows)) if self.tiles.adaptive and len(windows) > 1 else 0
        left, top, right, bottom = windows[0].tolist()
        coarse = self._coarse_place(height, width).shape
        return most * super(TiledDetector, self).input_pixels(bottom - top, right - left) + coarse[0] * coarse[1]

    def _coarse_place(self, height: int, width: int) -> Letterbox:
        """Size of an image -> its place in the input of the coarse pass, where nothing is larger than on a tile."""
        left, top, right, bottom = self.tiles.grid.windows(height, width)[0].tolist()
        enlarged = min(COARSE, max(height / (bottom - top), width / (right - left))) if self.info.dynamic else 1
        if enlarged == 1:
            return self._place(height, width)
        size = self._input_size((round(enlarged * self.imgsz[0]), round(enlarged * self.imgsz[1])))
        return letterbox((height, width), size, self.info.stride)
