"""A detector over many pictures, several at a time, in order."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector
from yolo_attn.detection.sources import Picture, UnreadableError

CHUNKS_PER_WORKER = 2  # chunks of pictures for each worker, done or not, that are held at a time


@dataclass(frozen=True, eq=False)
class DetectedPicture:
    """A picture, its pixels, and the detections on it."""

    picture: Picture
    image: np.ndarray
    detections: Detections


def detect_stream(detector: Detector, pictures: Iterable[Picture]) -> Iterator[DetectedPicture | UnreadableError]:
    """Yield the detections on each picture, in order; an UnreadableError for a picture that cannot be read.

    Only a few pictures are held at a time, however many there are.
    """
    source, waiting = iter(pictures), deque[Future]()
    workers = ThreadPoolExecutor(detector.at_once)
    try:
        while chunk := list(islice(source, detector.batch)):
            waiting.append(workers.submit(_detect_chunk, detector, chunk))
            if len(waiting) >= CHUNKS_PER_WORKER * detector.at_once:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        workers.shutdown(cancel_futures=True)


def _detect_chunk(detector: Detector, chunk: Sequence[Picture]) -> list[DetectedPicture | UnreadableError]:
    images: list[np.ndarray | UnreadableError] = []
    for picture in chunk:
        try:
            images.append(picture.read())
        except UnreadableError as error:
            images.append(error)
    detections = iter(detector([image for image in images if not isinstance(image, UnreadableError)]))
    return [
        image if isinstance(image, UnreadableError) else DetectedPicture(picture, image, next(detections))
        for picture, image in zip(chunk, images, strict=True)
    ]
