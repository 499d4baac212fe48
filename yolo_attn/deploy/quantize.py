"""Static INT8 of a trained detector for onnxruntime or OpenVINO: the file, its accuracy and its time beside those of the float file.

Weights become 8 bits with a scale for each channel, activations 8 bits, calibrated on training images. The decoding of the head stays
in float: its output holds boxes in pixels and scores in 0..1, and with one scale for both every score is 0.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from ultralytics import YOLO

from yolo_attn.deploy.calibration import training_images
from yolo_attn.deploy.export import export, open_model
from yolo_attn.deploy.float32 import openvino_in_float32
from yolo_attn.deploy.note import Made
from yolo_attn.deploy.runtimes import opened
from yolo_attn.storage import atomic_path

ROUNDS = 11  # in which the two files take turns
TARGETS = {
    "onnx": "{}-int8.onnx",
    "openvino": "{}_int8_openvino_model",
}  # Ultralytics knows OpenVINO's by the end of the name


@dataclass(frozen=True)
class Quality:
    """Accuracy, speed and size of a file."""

    map50: float  # mAP at IoU 0.5 on the data's validation set, as stock `val` finds it
    map50_95: float  # mean mAP at IoU 0.5 to 0.95
    milliseconds: float  # median time of one image on one thread
    megabytes: float  # size of the file, in 10^6 bytes


@dataclass(frozen=True, kw_only=True)
class Quantized(Made):
    """An INT8 file."""

    data: str  # the data YAML
    images: int  # how many images it was calibrated on
    int8: Quality  # its quality
    float32: Quality  # the quality of the same model in float


def quantize(
    model: str | Path,
    data: str | Path,
    images: int = 64,
    imgsz: int | None = None,
    progress: Callable[[list], Iterable] = iter,
    format: str = "onnx",
) -> Quantized:
    """Write best-int8.onnx, or best_int8_openvino_model, beside best.pt, and a note beside that.

    Args:
        model: A checkpoint of a detector.
        data: A data YAML; calibrated on its training images, measured on its validation images.
        images: How many images to calibrate on, spread evenly over the training set.
        imgsz: Pixels of height and width. None is the size of the training.
        progress: Wraps the list of images, as tqdm does; NNCF, which quantises for OpenVINO, shows its own.
        format: "onnx" or "openvino".

    Raises:
        ImportError: NNCF is missing.
        FileNotFoundError: The checkpoint or the data are missing.
        ValueError: It is no detector, the classes are others, or images are too few or cannot be read.
        OSError: A file cannot be written.
    """
    if format not in TARGETS:
        raise ValueError(f"quantize: there is no INT8 for {format}; the formats are {' and '.join(TARGETS)}")
    quantize_file = _quantizer(format)
    weights = Path(model)
    if weights.suffix != ".pt":
        raise ValueError(f"quantize: {model} is no checkpoint; give a trained one, such as best.pt")
    yolo = open_model(weights)
    if yolo.task != "detect":
        raise ValueError(f"quantize: {model} is a model for {yolo.task}; this verb knows detectors only")
    imgsz = imgsz or int((yolo.ckpt.get("train_args") or {}).get("imgsz", 640))
    paths = training_images(data, yolo.names, images)
    with tempfile.TemporaryDirectory(prefix="yolo-attn-int8-") as folder:
        shutil.copy(weights, folder)  # the stock export writes beside the weights
        exported = export(Path(folder, weights.name), format, imgsz=imgsz, verbose=False)
        draft = Path(folder, TARGETS[format].format("draft"))
        quantize_file(exported.file, draft, paths, exported.imgsz, progress)
        times = _milliseconds((exported.file, draft), exported.imgsz)
        float32, int8 = (_quality(file, str(data), imgsz, times[file]) for file in (exported.file, draft))
        target = weights.with_name(TARGETS[format].format(weights.stem))
        if target.is_dir():
            shutil.rmtree(target)
        with atomic_path(target) as beside:
            shutil.move(draft, beside)
    quantized = Quantized(
        file=target,
        format=format,
        names=exported.names,
        task=exported.task,
        imgsz=exported.imgsz,
        data=str(data),
        images=len(paths),
        int8=int8,
        float32=float32,
    )
    quantized.write_note()
    return quantized


def _quantizer(format: str) -> Callable:
    if format == "onnx":
        from yolo_attn.deploy.quantize_onnx import quantize_file
    else:
        try:
            from yolo_attn.deploy.quantize_openvino import quantize_file
        except ImportError as error:
            raise ImportError(f"quantize: openvino needs NNCF ({error}); pip install openvino nncf") from error
    return quantize_file


def _quality(file: Path, data: str, imgsz: int, milliseconds: float) -> Quality:
    settings = {"imgsz": imgsz, "batch": 1, "rect": False, "plots": False, "verbose": False, "device": "cpu"}
    with openvino_in_float32():
        box = YOLO(str(file), task="detect").val(data=data, project=str(file.parent), name="val", **settings).box
    parts = file.rglob("*") if file.is_dir() else [file]
    return Quality(float(box.map50), float(box.map), milliseconds, sum(part.stat().st_size for part in parts) / 1e6)


def _milliseconds(files: tuple[Path, ...], imgsz: tuple[int, int]) -> dict[Path, float]:
    """{file: median time of one image on one thread}; the files take turns, after one run each that is not counted."""
    image = torch.rand((1, 3, *imgsz), generator=torch.Generator().manual_seed(0))
    runs = {file: opened(file, threads=1) for file in files}
    times: dict[Path, list[float]] = {file: [] for file in files}
    for _ in range(ROUNDS + 1):
        for file, run in runs.items():
            start = time.perf_counter()
            run(image)
            times[file].append(1e3 * (time.perf_counter() - start))
    return {file: statistics.median(counted[1:]) for file, counted in times.items()}
