"""An image scaled and padded to what a detector takes, and boxes on it moved back; pixel for pixel as Ultralytics does it."""

from dataclasses import dataclass

import cv2
import numpy as np

GREY = (114, 114, 114)


@dataclass(frozen=True)
class Letterbox:
    """Place of an image in the padded image."""

    size: tuple[int, int]  # (H, W) of the image
    scaled: tuple[int, int]  # (H, W) to which it is scaled
    shape: tuple[int, int]  # (H, W) of the padded image
    corner: tuple[int, int]  # rows above and columns left of the image

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) of `size` -> (H, W, 3) of `shape`."""
        if self.size != self.scaled:
            image = cv2.resize(image, self.scaled[::-1], interpolation=cv2.INTER_LINEAR)
        top, left = self.corner
        bottom, right = self.shape[0] - self.scaled[0] - top, self.shape[1] - self.scaled[1] - left
        return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=GREY)

    def undo(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) xyxy on the padded image -> the same on the image, clipped to it."""
        (height, width), (top, left) = self.size, self.corner
        gain = np.array([self.scaled[1] / width, self.scaled[0] / height] * 2, np.float32)
        offset = np.array([left, top, left, top], np.float32)
        return ((boxes - offset) / gain).clip(0, np.array([width, height, width, height], np.float32))


def letterbox(size: tuple[int, int], target: tuple[int, int], stride: int | None) -> Letterbox:
    """Place an image of `size` (H, W) in the middle of `target` (H, W), as large as fits.

    With a stride it is padded no more than to a multiple of it, else to `target`.
    """
    gain = min(target[0] / size[0], target[1] / size[1])
    height, width = (max(round(side * gain), 1) for side in size)
    below, right = target[0] - height, target[1] - width
    if stride:
        below, right = below % stride, right % stride
    corner = (round(below / 2 - 0.1), round(right / 2 - 0.1))  # an odd row of padding goes below
    return Letterbox(size=size, scaled=(height, width), shape=(height + below, width + right), corner=corner)
