"""Images, videos and folders of both, as a stream of pictures that are read when their turn comes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2"})
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".ts"})


class UnreadableError(ValueError):
    """A file that holds no picture. The message is one line."""


@dataclass(frozen=True)
class Picture:
    """One image, or one frame of a video.

    Attributes:
        path: The file.
        frame: Number of the frame from 1; 0 for an image.
        rate: Frames per second of the video; 0 for an image.
        read: Gives (H, W, 3) uint8, BGR; raises UnreadableError.
    """

    path: Path
    frame: int
    rate: float
    read: Callable[[], np.ndarray]


def files(source: str | Path) -> list[Path]:
    """The images, then the videos, of a folder by name; or the one file.

    Raises:
        FileNotFoundError: It is not there, or the folder holds nothing of the kind.
        ValueError: The file is of another kind.
    """
    source = Path(source)
    known = IMAGES | VIDEOS
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if path.suffix.lower() in known and path.is_file())
        if not found:
            raise FileNotFoundError(f"{source}: holds neither image nor video; expected {', '.join(sorted(known))}")
        return sorted(found, key=lambda path: path.suffix.lower() in VIDEOS)
    if not source.is_file():
        raise FileNotFoundError(f"{source}: not there; give an image, a video, or a folder of them")
    if source.suffix.lower() not in known:
        raise ValueError(f"{source}: neither image nor video by its name; expected {', '.join(sorted(known))}")
    return [source]


def pictures(paths: list[Path]) -> Iterator[Picture]:
    """The pictures of image and video files, one after the other."""
    for path in paths:
        if path.suffix.lower() in VIDEOS:
            yield from _frames(path)
        else:
            yield Picture(path, 0, 0.0, partial(read_image, path))


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8, BGR, turned as its EXIF note says.

    Raises:
        UnreadableError: There is no image in the file.
    """
    try:
        content = np.fromfile(path, np.uint8)  # cv2.imread refuses some paths on Windows
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except (cv2.error, OSError) as error:
        raise UnreadableError(f"{path}: cannot be read ({str(error).strip().splitlines()[0]})") from error
    if image is None:
        raise UnreadableError(f"{path}: {'no image that OpenCV can read' if content.size else 'an empty file'}")
    return image


def _frames(path: Path) -> Iterator[Picture]:
    video = cv2.VideoCapture(str(path))
    try:
        rate, number = video.get(cv2.CAP_PROP_FPS), 0
        while True:
            there, frame = video.read()
            if not there:
                break
            number += 1
            yield Picture(path, number, rate, partial(_given, frame))
        if not number:
            yield Picture(path, 0, 0.0, partial(_no_video, path))
    finally:
        video.release()


def _given(frame: np.ndarray) -> np.ndarray:
    return frame


def _no_video(path: Path) -> np.ndarray:
    raise UnreadableError(f"{path}: no video that OpenCV can read")
