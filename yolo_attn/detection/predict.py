"""A folder, an image or a video through an exported detector, into pictures, JSON and VisDrone files."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import cv2

from yolo_attn.detection.detections import visdrone_categories
from yolo_attn.detection.draw import draw
from yolo_attn.detection.runtime import Found, Predictor
from yolo_attn.detection.sources import VIDEOS, files, pictures
from yolo_attn.visdrone.annotations import write

JSON_FILE = "detections.json"
DECIMALS = 6  # of scores and pixels in VisDrone files


@dataclass(frozen=True)
class Outputs:
    """What is written. Without a folder, JSON goes to standard output.

    Attributes:
        folder: Where to.
        drawn: Pictures and videos with boxes, under their own names.
        json: One file for all.
        visdrone: A detection file for each picture.
    """

    folder: Path | None = None
    drawn: bool = False
    json: bool = False
    visdrone: bool = False


@dataclass(frozen=True)
class Predicted:
    """What a run did: pictures, boxes by class, and a line for each file that cannot be read."""

    pictures: int
    boxes: dict[str, int]
    unreadable: tuple[str, ...]


def predict(
    predictor: Predictor, source: str | Path, outputs: Outputs, say: Callable[[str], None] = lambda line: None
) -> Predicted:
    """Run a detector over an image, a video, or a folder of them. Memory does not grow with their number.

    Args:
        predictor: The detector.
        source: A path.
        outputs: What to write.
        say: Told a line for each picture, and for each file that cannot be read.

    Raises:
        FileNotFoundError: There is nothing at `source`.
        ValueError: Outputs would overwrite the source or each other, or VisDrone has none of the classes.
    """
    found_files = files(source)
    _require_room(found_files, outputs)
    categories = visdrone_categories(predictor.names) if outputs.visdrone else {}
    boxes, count, unreadable = Counter(), 0, []
    with ExitStack() as stack:
        if outputs.folder:
            outputs.folder.mkdir(parents=True, exist_ok=True)
        lines = stack.enter_context(_JsonArray(outputs)) if outputs.json else None
        drawings = stack.enter_context(_Drawings(outputs.folder)) if outputs.drawn else None
        for found in predictor.stream(pictures(found_files)):
            if not isinstance(found, Found):
                unreadable.append(str(found))
                say(str(found))
                continue
            count += 1
            names = [predictor.names[kind] for kind in found.detections.classes.tolist()]
            boxes.update(names)
            picture = found.picture
            place = f"{picture.path}{f', frame {picture.frame}' if picture.frame else ''}"
            say(f"{place}: {', '.join(f'{number} {name}' for name, number in Counter(names).items()) or 'nothing'}")
            if lines:
                lines.add(found, predictor.names)
            if drawings:
                drawings.add(found, predictor.names)
            if outputs.visdrone:
                stem = picture.path.stem + (f"_{picture.frame:07}" if picture.frame else "")
                write(outputs.folder / f"{stem}.txt", found.detections.as_visdrone(categories), DECIMALS)
    return Predicted(count, dict(boxes.most_common()), tuple(unreadable))


def _require_room(paths: list[Path], outputs: Outputs) -> None:
    if (outputs.drawn or outputs.visdrone) and outputs.folder is None:
        raise ValueError("predict: pictures and VisDrone files need a folder; give --out")
    if outputs.drawn and outputs.folder.resolve() == paths[0].parent.resolve():
        raise ValueError(f"predict: {outputs.folder} holds the source, which the drawn pictures would overwrite")
    stems = Counter(path.stem for path in paths)
    if outputs.visdrone and len(stems) < len(paths):
        raise ValueError(
            f"predict: two files are called {stems.most_common(1)[0][0]}; one VisDrone file cannot serve both"
        )


class _JsonArray:
    """A JSON array written entry by entry."""

    def __init__(self, outputs: Outputs):
        self.path = outputs.folder / JSON_FILE if outputs.folder else None
        self.file: TextIO = sys.stdout
        self.separator = "[\n"

    def __enter__(self) -> "_JsonArray":
        if self.path:
            self.file = self.path.open("w", encoding="utf-8")
        return self

    def add(self, found: Found, names) -> None:
        height, width = found.image.shape[:2]
        frame = {"frame": found.picture.frame} if found.picture.frame else {}
        entry = {"image": str(found.picture.path), **frame, "width": width, "height": height}
        self.file.write(self.separator + json.dumps(entry | {"detections": found.detections.as_json(names)}))
        self.separator = ",\n"

    def __exit__(self, *_error) -> None:
        self.file.write("[]\n" if self.separator == "[\n" else "\n]\n")
        if self.path:
            self.file.close()


class _Drawings:
    """Drawn images and videos in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.video, self.path = None, None

    def __enter__(self) -> "_Drawings":
        return self

    def add(self, found: Found, names) -> None:
        image, picture = draw(found.image, found.detections, names), found.picture
        if picture.path.suffix.lower() not in VIDEOS:
            self._require(cv2.imwrite(str(self.folder / picture.path.name), image), picture.path.name)
            return
        if picture.path != self.path:
            self.__exit__()
            self.path = picture.path
            size = image.shape[1::-1]
            name = f"{picture.path.stem}.mp4"
            self.video = cv2.VideoWriter(
                str(self.folder / name), cv2.VideoWriter_fourcc(*"mp4v"), picture.rate or 25.0, size
            )
            self._require(self.video.isOpened(), name)
        self.video.write(image)

    def _require(self, done: bool, name: str) -> None:
        if not done:
            raise ValueError(f"{self.folder / name}: OpenCV cannot write it")

    def __exit__(self, *_error) -> None:
        if self.video:
            self.video.release()
