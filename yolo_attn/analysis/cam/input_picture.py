"""A picture as the network reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from ultralytics.data.augment import classify_transforms

from yolo_attn.detection.letterbox import Letterbox, letterbox
from yolo_attn.detection.sources import read_image


@dataclass(frozen=True, eq=False)
class InputPicture:
    """A picture and the network's input made from it.

    Attributes:
        name: File name.
        image: (H, W, 3) RGB, 0 to 255: the picture; for a classifier the square that it sees.
        tensor: (1, 3, h, w), values 0 to 1.
        place: Where the picture lies in the input.
    """

    name: str
    image: np.ndarray
    tensor: torch.Tensor
    place: Letterbox

    def inside(self, height: int, width: int) -> np.ndarray:
        """Which cells of a feature map have their centre in the picture and not in its padding, (height, width)."""
        (full_height, full_width), (top, left), (rows, columns) = self.place.shape, self.place.corner, self.place.scaled
        y = (np.arange(height) + 0.5) * full_height / height - top
        x = (np.arange(width) + 0.5) * full_width / width - left
        return ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the input in pixels of the picture, as matplotlib takes it."""
        (height, width), (top, left) = self.place.shape, self.place.corner
        across, down = (self.place.size[axis] / self.place.scaled[axis] for axis in (1, 0))
        return -left * across, (width - left) * across, (height - top) * down, -top * down


def detector_input(path: Path, imgsz: int, stride: int) -> InputPicture:
    """Read a picture as `yolo predict` does: as large as fits into a square of imgsz pixels, padded to a multiple of the stride.

    Raises:
        ValueError: There is no picture in the file.
    """
    image = read_image(path)
    side = -(-imgsz // stride) * stride
    place = letterbox((image.shape[0], image.shape[1]), (side, side), stride)
    return InputPicture(path.name, _rgb(image), _tensor(_rgb(place.apply(image))), place)


def classifier_input(path: Path, imgsz: int) -> InputPicture:
    """Read a picture as `yolo classify predict` does: the middle square, imgsz pixels wide.

    Raises:
        ValueError: There is no picture in the file.
    """
    tensor = classify_transforms(imgsz)(Image.fromarray(_rgb(read_image(path))))[None]
    image = (tensor[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    square = (imgsz, imgsz)
    return InputPicture(path.name, image, tensor, Letterbox(square, square, square, (0, 0)))


def _rgb(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous().float() / 255
