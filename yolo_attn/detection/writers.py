"""What predict writes: drawn pictures and videos, JSON, VisDrone detection files."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np

from yolo_attn.detection.detections import visdrone_categories
from yolo_attn.detection.drawing import draw_boxes
from yolo_attn.detection.output_folder import FIRST_NUMBER, Output, OutputFolder
from yolo_attn.detection.sources import is_video
from yolo_attn.detection.stream import DetectedPicture
from yolo_attn.visdrone.annotations import write

JSON_FILE = "detections.json"
VISDRONE_DECIMALS = 6  # of scores and pixels
USUAL_RATE = 25.0  # frames per second, for a video that does not say


class Writer(ExitStack):
    """Takes detected pictures one after the other, inside a `with` block; an error in the block discards unfinished files."""

    def outputs(self, paths: Sequence[Path]) -> list[Output]:
        """Return the files that will be written for inputs."""
        raise NotImplementedError

    def write(self, detected: DetectedPicture) -> None:
        """Write the results of one picture."""
        raise NotImplementedError


class JsonWriter(Writer):
    """An array with an entry for each picture, in a file, or on standard output if there is no folder."""

    def __init__(self, names: Mapping[int, str], folder: OutputFolder | None):
        super().__init__()
        self.names, self.folder = names, folder
        self.file: TextIO = sys.stdout
        self.separator = "[\n"

    def outputs(self, paths: Sequence[Path]) -> list[Output]:
        return [Output(JSON_FILE, None)] if self.folder else []

    def __enter__(self) -> "JsonWriter":
        if self.folder:
            with ExitStack() as stack:
                draft = stack.enter_context(self.folder.draft(JSON_FILE))
                self.file = stack.enter_context(draft.open("w", encoding="utf-8", newline="\n"))
                self.enter_context(stack.pop_all())
        self.push(self._end)
        return self

    def write(self, detected: DetectedPicture) -> None:
        height, width = detected.image.shape[:2]
        picture = detected.picture
        frame = {"frame": picture.frame} if picture.frame else {}
        entry = {"image": str(picture.path), **frame, "width": width, "height": height}
        self.file.write(self.separator + json.dumps(entry | {"detections": detected.detections.as_json(self.names)}))
        self.separator = ",\n"

    def _end(self, *_error: object) -> None:
        self.file.write("[]\n" if self.separator == "[\n" else "\n]\n")


class VisdroneWriter(Writer):
    """A VisDrone detection file for each picture, named for it; for a frame of a video with its number behind."""

    def __init__(self, names: Mapping[int, str], folder: OutputFolder):
        super().__init__()
        self.folder, self.categories = folder, visdrone_categories(names)

    def outputs(self, paths: Sequence[Path]) -> list[Output]:
        return [
            Output(f"{path.stem}_{FIRST_NUMBER}.txt", path, numbered=True)
            if is_video(path)
            else Output(f"{path.stem}.txt", path)
            for path in paths
        ]

    def write(self, detected: DetectedPicture) -> None:
        picture = detected.picture
        number = f"_{picture.frame:0{len(FIRST_NUMBER)}}" if picture.frame else ""
        with self.folder.draft(f"{picture.path.stem}{number}.txt") as draft:
            write(draft, detected.detections.as_visdrone(self.categories), VISDRONE_DECIMALS)


class DrawingWriter(Writer):
    """Images with boxes under their own names, and videos as MP4."""

    def __init__(self, names: Mapping[int, str], folder: OutputFolder):
        super().__init__()
        self.names, self.folder = names, folder
        self.video: VideoFile | None = None

    def outputs(self, paths: Sequence[Path]) -> list[Output]:
        return [Output(self._name(path), path) for path in paths]

    def write(self, detected: DetectedPicture) -> None:
        image, path = draw_boxes(detected.image, detected.detections, self.names), detected.picture.path
        if not is_video(path):
            with self.folder.draft(path.name) as draft:
                draft.write_bytes(_encoded(image, path))
            return
        if self.video is None or self.video.source != path:
            self.close()  # the video before is complete
            draft = self.enter_context(self.folder.draft(self._name(path)))
            self.video = VideoFile(path, draft, detected.picture.rate or USUAL_RATE, image.shape[:2])
            self.push(self.video.end)
        self.video.add(image)

    def _name(self, path: Path) -> str:
        return f"{path.stem}.mp4" if is_video(path) else path.name


class VideoFile:
    """A drawn video while it is written.

    Args:
        source: The video that is drawn on.
        draft: Where to.
        rate: Frames per second.
        size: (H, W).

    Raises:
        OSError: OpenCV cannot write there.
    """

    def __init__(self, source: Path, draft: Path, rate: float, size: Sequence[int]):
        self.source, self.draft, self.frames = source, draft, 0
        self.writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*"mp4v"), rate, (size[1], size[0]))
        if not self.writer.isOpened():
            self.writer.release()
            raise OSError(f"{source}: OpenCV cannot write a drawn video of it to {draft.parent}")

    def add(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3), BGR."""
        self.writer.write(frame)
        self.frames += 1

    def end(self, error: type[BaseException] | None, *_error: object) -> None:
        """Close the file, and count the frames in it: OpenCV does not say when the disk is full."""
        self.writer.release()
        if error is not None:
            return
        written = cv2.VideoCapture(str(self.draft))
        frames = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if frames != self.frames:
            raise OSError(
                f"{self.source}: its drawn video cannot be written whole to {self.draft.parent}; is the disk full?"
            )


def _encoded(image: np.ndarray, path: Path) -> bytes:
    try:
        success, content = cv2.imencode(path.suffix.lower(), image)  # cv2.imwrite refuses some paths on Windows
    except cv2.error:
        success = False
    if not success:
        raise ValueError(f"{path}: OpenCV cannot write {path.suffix} files; convert the picture, or leave drawing out")
    return content.tobytes()
