"""A picture with the boxes that a model got right and wrong, as SVG: the picture is in the page once, whatever is drawn on it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup

from yolo_attn.html_page import image_address
from yolo_attn.visdrone.evaluation.errors import Picture

SIDE = 640  # pixels of the longer side in the page
QUALITIES = (80, 65, 50, 35, 20)  # of JPEG, tried in turn


@dataclass(frozen=True)
class Photo:
    """A picture for the page."""

    address: str
    width: int  # pixels of the file, in which boxes are given
    height: int


def photo(file: Path, most_bytes: int) -> Photo:
    """Read a picture and make it small: SIDE pixels, and of the best of QUALITIES that stays within `most_bytes`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no picture.
    """
    content = np.frombuffer(file.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(content) else None
    if image is None:
        raise ValueError(f"{file}: is no picture that OpenCV reads")
    height, width = image.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    for quality in QUALITIES:
        address = image_address(small, ".jpg", quality)
        if len(address) <= most_bytes:
            break
    return Photo(address, width, height)


def boxes(picture: Picture) -> Markup:
    """Right and wrong boxes -> a <path> for each kind, of the classes `hit`, `miss`, `alarm` and `region` of the page's style."""
    kinds = {
        "region": picture.ignored_regions,
        "hit": picture.hits,
        "miss": picture.misses,
        "alarm": picture.false_alarms,
    }
    return Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(kind, _path(rows)) for kind, rows in kinds.items()
    )


def _path(rows: np.ndarray) -> str:
    """Rows of left, top, width, height, ... in pixels -> the commands that draw these rectangles."""
    edges = rows[:, :4].clip(-1e5, 1e5).round().astype(int).tolist()
    return "".join(f"M{left} {top}h{width}v{height}h{-width}z" for left, top, width, height in edges)
