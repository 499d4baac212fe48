"""Writers of predict: drawn pictures and videos, JSON, VisDrone detection files.

A writer is a context manager that gives a function to call with each picture; an error in its block discards unfinished files.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.detection.detections import VISDRONE_DECIMALS
from yolo_attn.detection.drawing import draw_boxes
from yolo_attn.detection.output_folder import ANY_FRAME, OutputFolder
from yolo_attn.detection.sources import is_video
from yolo_attn.detection.stream import DetectedPicture
from yolo_attn.visdrone.annotations import write as write_rows

JSON_FILE = "detections.json"
DEFAULT_RATE = 25.0  # frames per second, for a video that does not say
Write = Callable[[DetectedPicture], None]


@contextmanager
def json_writer(names: Mapping[int, str], folder: OutputFolder | None) -> Iterator[Write]:
    """Write an array with an entry for each picture, to JSON_FILE, or to standard output if there is no folder."""
    separator = "[\n"

    def write(detected: DetectedPicture) -> None:
        nonlocal separator
        height, width = detected.image.shape[:2]
        picture = detected.picture
        frame = {"frame": picture.frame} if picture.frame else {}
        entry = {"image": str(picture.path), **frame, "width": width, "height": height}
        file.write(separator + json.dumps(entry | {"detections": detected.detections.as_json(names)}))
        separator = ",\n"

    with ExitStack() as stack:
        file = sys.stdout
        if folder:
            draft = stack.enter_context(folder.draft(JSON_FILE))
            file = stack.enter_context(draft.open("w", encoding="utf-8", newline="\n"))
        try:
            yield write
        finally:
            file.write("[]\n" if separator == "[\n" else "\n]\n")


def visdrone_name(path: Path) -> str:
    """Return the name of the detection file of an image, or of a video's frames, which end in ANY_FRAME."""
    return path.stem + (ANY_FRAME if is_video(path) else ".txt")


@contextmanager
def visdrone_writer(categories: Mapping[int, int], folder: OutputFolder) -> Iterator[Write]:
    """Write a VisDrone detection file for each picture, named for it; a frame of a video adds its number."""

    def write(detected: DetectedPicture) -> None:
        picture = detected.picture
        number = f"_{picture.frame:07}" if picture.frame else ""
        with folder.draft(f"{picture.path.stem}{number}.txt") as draft:
            write_rows(draft, detected.detections.as_visdrone(categories), VISDRONE_DECIMALS)

    yield write


def drawing_name(path: Path) -> str:
    """Return the name of the drawn image or video."""
    return f"{path.stem}.mp4" if is_video(path) else path.name


@contextmanager
def drawing_writer(names: Mapping[int, str], folder: OutputFolder) -> Iterator[Write]:
    """Write images with boxes under their own names, and videos as MP4."""
    add_frame: dict[Path, Callable[[np.ndarray], None]] = {}

    def write(detected: DetectedPicture) -> None:
        image, path = draw_boxes(detected.image, detected.detections, names), detected.picture.path
        if not is_video(path):
            with folder.draft(drawing_name(path)) as draft:
                draft.write_bytes(_encoded(image, path))
            return
        if path not in add_frame:
            open_video.close()  # the video before is complete
            draft = open_video.enter_context(folder.draft(drawing_name(path)))
            video = _video(path, draft, detected.picture.rate or DEFAULT_RATE, (image.shape[1], image.shape[0]))
            add_frame[path] = open_video.enter_context(video)
        add_frame[path](image)

    with ExitStack() as open_video:
        yield write


@contextmanager
def _video(source: Path, draft: Path, rate: float, size: tuple[int, int]) -> Iterator[Callable[[np.ndarray], None]]:
    """Give a function that adds a frame (H, W, 3), BGR, to a drawn video of width and height `size`."""
    frames = 0

    def add(frame: np.ndarray) -> None:
        nonlocal frames
        writer.write(frame)
        frames += 1

    writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    try:
        if not writer.isOpened():
            raise OSError(f"{source}: OpenCV cannot write a drawn video of it to {draft.parent}")
        yield add
    finally:
        writer.release()
    written = cv2.VideoCapture(str(draft))
    in_file = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
    written.release()
    if in_file != frames:  # OpenCV does not say when the disk is full
        raise OSError(f"{source}: its drawn video cannot be written whole to {draft.parent}; is the disk full?")


def _encoded(image: np.ndarray, path: Path) -> bytes:
    try:
        success, content = cv2.imencode(path.suffix.lower(), image)  # cv2.imwrite refuses some paths on Windows
    except cv2.error:
        success = False
    if not success:
        raise ValueError(f"{path}: OpenCV cannot write {path.suffix} files; convert the picture, or leave drawing out")
    return content.tobytes()
