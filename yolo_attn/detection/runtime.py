"""A predictor for exported detectors, with numpy, OpenCV and onnxruntime only."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.detection import nms
from yolo_attn.detection.detections import Detections
from yolo_attn.detection.letterbox import Letterbox, letterbox
from yolo_attn.detection.session import FAILURES, open_file
from yolo_attn.detection.sources import Picture, UnreadableError, files, pictures

WAITING = 2  # chunks of pictures for each worker, done or not, that are held at a time


@dataclass(frozen=True)
class Settings:
    """What decides which boxes are found; the defaults are those of Ultralytics' predict.

    Attributes:
        imgsz: Pixels of height and width, or of both; only for files of dynamic size. None is the size of the export.
        conf: Scores above it count.
        iou: A box is dropped if its IoU with a better one of its class is above this; no part of files without NMS.
        max_det: Most boxes of an image.
        multi_label: A box may have several classes, as in `val`; else the best one.
    """

    imgsz: int | tuple[int, int] | None = None
    conf: float = 0.25
    iou: float = 0.7
    max_det: int = 300
    multi_label: bool = False

    def __post_init__(self):
        if not (0 <= self.conf <= 1 and 0 <= self.iou <= 1 and self.max_det >= 1):
            raise ValueError(f"{self}: conf and iou lie in 0..1, max_det is at least 1")


@dataclass(frozen=True)
class Found:
    """What was found on one picture of a stream."""

    picture: Picture
    image: np.ndarray
    detections: Detections


class Predictor:
    """An ONNX file of a detector, ready to run.

    Args:
        file: Made by `yolo-attn export`, or by the stock export.
        settings: None is `Settings()`.
        at_once: Pictures of a stream in work at the same time. The cores are shared out among them: one at a time is
            answered soonest, one for each core gets through a folder fastest.
        batch: Pictures in one run of the network; a file of fixed batch has its own.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no detector that Ultralytics exported, or a setting does not fit it.
    """

    def __init__(self, file: str | Path, settings: Settings | None = None, at_once: int = 1, batch: int = 1):
        if at_once < 1 or batch < 1:
            raise ValueError(f"Predictor: at_once and batch are at least 1; found {at_once} and {batch}")
        self.file, self.settings, self.at_once = Path(file), settings or Settings(), at_once
        self._session, self.detector = open_file(file, max(1, cores() // at_once))
        self._input = self._session.get_inputs()[0].name
        self.names = self.detector.names
        self.imgsz = self._fitting_size()
        self.batch = batch if self.detector.dynamic else self.detector.batch

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Images (H, W, 3) uint8, BGR, of any sizes -> what is found on each."""
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
                raise ValueError(
                    f"Predictor: image of shape {image.shape}, {image.dtype}; expected (H, W, 3) uint8, BGR"
                )
        stride = self.detector.stride if self.detector.dynamic else None
        places = [letterbox(image.shape[:2], self.imgsz, stride) for image in images]
        found: dict[int, Detections] = {}
        for shape in dict.fromkeys(place.shape for place in places):  # one run takes images of one shape
            same = [index for index, place in enumerate(places) if place.shape == shape]
            for start in range(0, len(same), self.batch):
                part = same[start : start + self.batch]
                outputs = self._run([places[index].apply(images[index]) for index in part])
                found |= {index: self._detections(outputs[i], places[index]) for i, index in enumerate(part)}
        return [found[index] for index in range(len(images))]

    def stream(self, source: "str | Path | Iterable[Picture]") -> Iterator[Found | UnreadableError]:
        """An image, a video, or a folder -> what is found on each picture, in order; UnreadableError for one that is none.

        Only a few pictures are held at a time, however many there are.
        """
        source = pictures(files(source)) if isinstance(source, str | Path) else iter(source)
        waiting: deque[Future] = deque()
        workers = ThreadPoolExecutor(self.at_once)
        try:
            while chunk := list(islice(source, self.batch)):
                waiting.append(workers.submit(self._chunk, chunk))
                if len(waiting) >= WAITING * self.at_once:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)

    def _chunk(self, chunk: Sequence[Picture]) -> list[Found | UnreadableError]:
        images = []
        for picture in chunk:
            try:
                images.append(picture.read())
            except UnreadableError as error:
                images.append(error)
        found = iter(self([image for image in images if not isinstance(image, UnreadableError)]))
        return [
            image if isinstance(image, UnreadableError) else Found(picture, image, next(found))
            for picture, image in zip(chunk, images, strict=True)
        ]

    def _run(self, padded: list[np.ndarray]) -> np.ndarray:
        missing = 0 if self.detector.dynamic else self.batch - len(padded)  # a fixed batch is filled up
        blob = cv2.dnn.blobFromImages(padded + padded[-1:] * missing, swapRB=True)  # (B, 3, H, W) float32, RGB
        blob /= 255  # its own factor of 1 / 255 rounds otherwise, enough to change the order of nearly equal scores
        try:
            return self._session.run(None, {self._input: blob.astype(self.detector.dtype, copy=False)})[0]
        except FAILURES as error:
            raise ValueError(
                f"{self.file}: input {blob.shape} does not run ({str(error).splitlines()[0][:200]})"
            ) from error

    def _detections(self, output: np.ndarray, place: Letterbox) -> Detections:
        chosen = self.settings
        if self.detector.final:
            found = nms.final(output, chosen.conf, chosen.max_det)
        else:
            found = nms.detections(output, chosen.conf, chosen.iou, chosen.max_det, chosen.multi_label)
        return Detections(place.undo(found.boxes), found.scores, found.classes)

    def _fitting_size(self) -> tuple[int, int]:
        asked, own, stride = self.settings.imgsz, self.detector.imgsz, self.detector.stride
        if asked is None:
            return own
        asked = (asked, asked) if isinstance(asked, int) else tuple(asked)
        rounded = tuple(max(-(-side // stride), 1) * stride for side in asked)
        if not self.detector.dynamic and rounded != own:
            raise ValueError(
                f"{self.file}: has the fixed size {own[0]} x {own[1]}; for {asked} export it with dynamic=True"
            )
        return rounded


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
