"""Boxes with their classes and scores on an image."""

import colorsys
from collections.abc import Mapping

import cv2
import numpy as np

from yolo_attn.detection.detections import Detections

GOLDEN = 0.618034  # steps of this share of the colour circle never come back to a colour


def colour(index: int) -> tuple[int, int, int]:
    """Return the BGR colour of a class; neighbours are far apart."""
    red, green, blue = colorsys.hsv_to_rgb(index * GOLDEN % 1, 0.9, 0.9)
    return int(blue * 255), int(green * 255), int(red * 255)


def draw_boxes(image: np.ndarray, detections: Detections, names: Mapping[int, str]) -> np.ndarray:
    """(H, W, 3) BGR -> a copy with a frame and a label for each box, the best on top."""
    image = image.copy()
    width = max(1, round(sum(image.shape[:2]) / 900))
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.3 + 0.1 * width
    for box, score, index in zip(
        detections.boxes[::-1].round().astype(int).tolist(),
        detections.scores[::-1],
        detections.classes[::-1].tolist(),
        strict=True,
    ):
        left, top, right, bottom = box
        cv2.rectangle(image, (left, top), (right, bottom), colour(index), width, cv2.LINE_AA)
        text = f"{names[index]} {score:.2f}"
        (length, height), base = cv2.getTextSize(text, font, scale, 1)
        line = max(top, height + base)  # inside the picture
        cv2.rectangle(image, (left, line - height - base), (left + length, line), colour(index), cv2.FILLED)
        cv2.putText(image, text, (left, line - base), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return image
