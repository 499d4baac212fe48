"""Base of the detectors: images of any size to the padded batches of a network, and its boxes back on the images."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.letterbox import Letterbox, letterbox
from yolo_attn.detection.presets import DISPLAY, DetectionSettings


@dataclass(frozen=True)
class ModelInfo:
    """A detector as its file describes it."""

    names: Mapping[int, str]  # {class: name}
    imgsz: tuple[int, int]  # height and width of its training or export
    stride: int  # height and width of its input are multiples of this
    batch: int  # images at once, of a file of fixed size
    dynamic: bool  # true if any number of images, and any height and width, fit


class Detector(ABC):
    """Images (H, W, 3) uint8, BGR, of any sizes -> Detections of each.

    Arguments are those of `open_detector`, and the description of the model; the file is for messages. All settings but `imgsz`
    may be replaced between calls. The batches of a call, such as those of the tiles of one image, are spread over `at_once` threads.

    Raises:
        ValueError: A setting does not fit the model.
    """

    def __init__(self, file: Path, info: ModelInfo, settings: DetectionSettings | None, at_once: int, batch: int):
        if at_once < 1 or batch < 1:
            raise ValueError(f"{file}: at_once and batch are at least 1; found {at_once} and {batch}")
        self.file, self.info, self.names, self.at_once = file, info, info.names, at_once
        self.settings = settings or DISPLAY
        self._workers = ThreadPoolExecutor(at_once)  # starts no thread before it gets work
        self.batch = batch if info.dynamic else info.batch
        self.imgsz = self._input_size(self.settings.imgsz)

    @abstractmethod
    def _detect(self, padded: list[np.ndarray], settings: DetectionSettings) -> list[Detections]:
        """Images (H, W, 3) of one shape, `batch` of them or fewer -> boxes on each, in its pixels."""

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect boxes on images (H, W, 3) uint8, BGR, of any sizes.

        Raises:
            ValueError: Something else than an image, or the model does not run on it.
        """
        require_images(images)
        return self._run(images, self.settings)

    def _run(
        self, images: Sequence[np.ndarray], settings: DetectionSettings, places: Sequence[Letterbox] | None = None
    ) -> list[Detections]:
        """Do the work of a call with settings of its own, and with input sizes of its own if `places` are given."""
        places = places or [self._place(*image.shape[:2]) for image in images]
        batches = list(self._batches(places))

        def run(batch: list[int]) -> list[Detections]:
            try:
                found = self._detect([places[index].apply(images[index]) for index in batch], settings)
            except (cv2.error, MemoryError) as error:
                shape, reason = places[batch[0]].shape, " ".join(str(error).split())
                raise ValueError(f"{self.file}: {len(batch)} images at {shape} do not run ({reason})") from error
            return [
                Detections(places[index].undo(on_padded.boxes), on_padded.scores, on_padded.classes)
                for index, on_padded in zip(batch, found, strict=True)
            ]

        detections: dict[int, Detections] = {}
        results = map(run, batches) if self.at_once == 1 else self._workers.map(run, batches)
        for batch, found in zip(batches, results, strict=True):
            detections.update(zip(batch, found, strict=True))
        for unknown in {index for entry in detections.values() for index in entry.classes.tolist()} - self.names.keys():
            raise ValueError(
                f"{self.file}: finds class {unknown}, but names only {len(self.names)} classes; export it again"
            )
        return [detections[index] for index in range(len(images))]

    def _batches(self, places: Sequence[Letterbox]) -> Iterable[list[int]]:
        """Yield the indices of images that go through the network together, which takes images of one shape."""
        for shape in {place.shape for place in places}:
            same = [index for index, place in enumerate(places) if place.shape == shape]
            for start in range(0, len(same), self.batch):
                yield same[start : start + self.batch]

    def input_pixels(self, height: int, width: int) -> int:
        """Return the number of pixels that the network runs over for an image of this size."""
        padded = self._place(height, width).shape
        return padded[0] * padded[1]

    def _place(self, height: int, width: int) -> Letterbox:
        return letterbox((height, width), self.imgsz, self.info.stride if self.info.dynamic else None)

    def _input_size(self, requested: int | tuple[int, int] | None) -> tuple[int, int]:
        own, stride = self.info.imgsz, self.info.stride
        if requested is None and not self.info.dynamic:
            return own
        sides = own if requested is None else (requested, requested) if isinstance(requested, int) else requested
        height, width = (-(-side // stride) * stride for side in sides)
        if not self.info.dynamic and (height, width) != own:
            raise ValueError(
                f"{self.file}: has the fixed size {own[0]} x {own[1]}, not {height} x {width}; leave imgsz out, or export"
                " the model with dynamic=True"
            )
        return height, width


def require_images(images: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless all are images (H, W, 3) uint8 of one pixel or more."""
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"Detector: image of shape {image.shape}, {image.dtype}; expected (H, W, 3) uint8, BGR")


def model_path(file: str | Path) -> Path:
    """Return the path of a model; FileNotFoundError if nothing is there."""
    file = Path(file)
    if not file.exists():
        raise FileNotFoundError(f"{file}: not there; give a checkpoint, such as best.pt, or an exported file")
    return file


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
