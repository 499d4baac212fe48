"""The training images on which the scales of INT8 are calibrated."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader
from ultralytics.data.utils import IMG_FORMATS, check_det_dataset

from yolo_attn.detection.letterbox import letterbox
from yolo_attn.detection.sources import read_image

FEWEST = 8  # images; the extremes of fewer say little


class ImageReader(CalibrationDataReader):
    """Gives onnxruntime the images of `paths`, as of `as_input`."""

    def __init__(self, paths: Iterable[Path], imgsz: tuple[int, int]):
        self.paths, self.imgsz = iter(paths), imgsz

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return {name of the input: (1, 3, H, W) in 0..1}, or None after the last image."""
        path = next(self.paths, None)
        return None if path is None else {"images": as_input(path, self.imgsz)}


def as_input(path: Path, imgsz: tuple[int, int]) -> np.ndarray:
    """Read an image as the detector gets it at `imgsz`, height and width in pixels: (1, 3, H, W) in 0..1, float32."""
    image = read_image(path)
    image = letterbox(image.shape[:2], imgsz, None).apply(image)
    return np.ascontiguousarray(image[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32) / 255


def training_images(data: str | Path, names: dict[int, str], count: int) -> list[Path]:
    """Choose `count` images, or all if there are fewer, evenly spread over the training set of a data YAML; read each once.

    The classes of the data must be `names`, those of the model.

    Raises:
        ValueError: The data cannot be used, the classes are others, or images are too few or cannot be read.
    """
    try:
        description = check_det_dataset(str(data))
    except Exception as error:  # Ultralytics raises many kinds, and plain ones, for data that it cannot use
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"quantize: the data {data} cannot be used ({reason[0][:200]}); give a data YAML") from error
    if not description.get("train"):
        raise ValueError(f"quantize: {data} names no training images, on which to calibrate")
    classes = list(description["names"].values())
    if classes != list(names.values()):
        raise ValueError(
            f"quantize: the model has the classes {', '.join(names.values())[:100]}, {data} has"
            f" {', '.join(map(str, classes))[:100]}; give the data that it was trained on"
        )
    sources = description["train"] if isinstance(description["train"], list) else [description["train"]]
    paths = sorted(path for source in sources for path in _images_of(Path(source)))
    if count < FEWEST or len(paths) < FEWEST:
        raise ValueError(
            f"quantize: {count} images asked for, {len(paths)} found in {sources[0]}; calibrating wants {FEWEST} or more"
        )
    chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)]
    for path in chosen:
        read_image(path)  # raises before anything is made
    return chosen


def _images_of(source: Path) -> list[Path]:
    """The images of a folder, or of a text file with a path in each line; a path that starts with ./ lies beside the file."""
    if source.is_dir():
        return [path for path in source.rglob("*") if path.suffix[1:].lower() in IMG_FORMATS and path.is_file()]
    lines = source.read_text(encoding="utf-8").splitlines()
    return [source.parent / line if line.startswith("./") else Path(line) for line in map(str.strip, lines) if line]
