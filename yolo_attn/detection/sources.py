"""Images, videos and folders of both, as a stream of pictures that are read when their turn comes."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2"})
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".ts"})


class UnreadableError(ValueError):
    """A file that holds no picture. The message is one line."""


@dataclass(frozen=True)
class Picture:
    """One image, or one frame of a video."""

    path: Path  # the file
    read: Callable[[], np.ndarray]  # returns (H, W, 3) uint8, BGR; raises UnreadableError
    frame: int = 0  # number of the frame from 1; 0 for an image
    rate: float = 0.0  # frames per second of the video; 0 for an image

    def __str__(self) -> str:
        return f"{self.path}, frame {self.frame}" if self.frame else str(self.path)


def is_video(path: Path) -> bool:
    """Return whether a file is a video by its suffix."""
    return path.suffix.lower() in VIDEOS


def files(source: str | Path, suffixes: Collection[str] = IMAGES | VIDEOS) -> list[Path]:
    """Return the images, then the videos, of a folder by name, without those in folders of it; or the file itself.

    `suffixes` are those of the files to take, in lower case.

    Raises:
        FileNotFoundError: It is not there, or the folder holds nothing of the kind.
        ValueError: The file is of another kind.
    """
    source = Path(source)
    kind = "image" if suffixes == IMAGES else "image or video"
    expected = f"expected {', '.join(sorted(suffixes))}"
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in suffixes)
        if not paths:
            raise FileNotFoundError(f"{source}: holds no {kind}; {expected}")
        return sorted(paths, key=is_video)
    if not source.exists():
        raise FileNotFoundError(f"{source}: not there; give an {kind}, or a folder of them")
    if source.suffix.lower() not in suffixes:
        raise ValueError(f"{source}: no {kind} by its name; {expected}")
    return [source]


def pictures(paths: Sequence[Path], apply_exif: bool = True) -> Iterator[Picture]:
    """Yield the pictures of image and video files, as `files` returns them, one after the other."""
    for path in paths:
        if is_video(path):
            yield from _frames(path)
        else:
            yield Picture(path, read=partial(read_image, path, apply_exif))


def read_image(path: Path, apply_exif: bool = True) -> np.ndarray:
    """Return the image in a file, (H, W, 3) uint8, BGR, if asked for rotated as its EXIF note says.

    Raises:
        UnreadableError: There is no image in the file.
    """
    flags = cv2.IMREAD_COLOR | (0 if apply_exif else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        content = np.fromfile(path, np.uint8)  # cv2.imread refuses some paths on Windows
        image = cv2.imdecode(content, flags) if content.size else None
    except (cv2.error, OSError, MemoryError) as error:
        reason = "a folder" if path.is_dir() else " ".join(str(error).split())
        raise UnreadableError(f"{path}: cannot be read as an image ({reason})") from error
    if image is None:
        raise UnreadableError(f"{path}: {'no image that OpenCV can read' if content.size else 'an empty file'}")
    return image


def _frames(path: Path) -> Iterator[Picture]:
    video = cv2.VideoCapture(str(path))
    rate = video.get(cv2.CAP_PROP_FPS)
    try:
        for number in count(1):
            success, frame = video.read()
            if not success:
                break
            yield Picture(path, partial(np.asarray, frame), number, rate)
        if number == 1:
            yield Picture(path, partial(_refuse_video, path))
    finally:
        video.release()


def _refuse_video(path: Path) -> np.ndarray:
    raise UnreadableError(f"{path}: no video that OpenCV can read")
