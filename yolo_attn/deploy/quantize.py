"""Static INT8 of a trained detector for onnxruntime: the file, its accuracy and its time beside those of the float file.

Weights become 8 bits with a scale for each channel, activations 8 bits without sign, calibrated by their extremes on training images. The
decoding of the head stays in float: its output holds boxes in pixels and scores in 0..1, and with one scale for both every score is 0.
"""

import logging
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from ultralytics import YOLO

from yolo_attn.deploy.calibration import ImageReader, training_images
from yolo_attn.deploy.export import export, open_model
from yolo_attn.deploy.note import Made
from yolo_attn.detection.onnx_detector import open_file
from yolo_attn.storage import atomic_write

BRANCHES = re.compile(r"(one2one_)?cv\d")  # of the head, which are convolutions; what is not in them decodes
ROUNDS = 11  # in which the two files take turns


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
) -> Quantized:
    """Write best-int8.onnx beside best.pt, and a note beside that.

    Args:
        model: A checkpoint of a detector.
        data: A data YAML; calibrated on its training images, measured on its validation images.
        images: How many images to calibrate on, spread evenly over the training set.
        imgsz: Pixels of height and width. None is the size of the training.
        progress: Wraps the list of images, as tqdm does.

    Raises:
        FileNotFoundError: The checkpoint or the data are missing.
        ValueError: It is no detector, the classes are others, or images are too few or cannot be read.
        OSError: A file cannot be written.
    """
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
        exported = export(Path(folder, weights.name), imgsz=imgsz, verbose=False)
        draft = Path(folder, "int8.onnx")
        _quantize(exported.file, draft, ImageReader(progress(paths), exported.imgsz))
        times = _milliseconds((exported.file, draft), exported.imgsz)
        float32, int8 = (_quality(file, str(data), imgsz, times[file]) for file in (exported.file, draft))
        target = weights.with_name(f"{weights.stem}-int8.onnx")
        atomic_write(target, draft.read_bytes())
    quantized = Quantized(
        file=target,
        format="onnx",
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


def _quantize(exported: Path, target: Path, images: ImageReader) -> None:
    prepared = exported.with_name("prepared.onnx")
    quant_pre_process(str(exported), str(prepared))
    logging.disable(logging.WARNING)  # the tool advises to do what was just done
    try:
        quantize_static(
            str(prepared),
            str(target),
            images,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with QInt8 weights what x86 multiplies fastest
            weight_type=QuantType.QInt8,
            nodes_to_exclude=decoding_nodes(onnx.load(prepared).graph),
        )
    finally:
        logging.disable(logging.NOTSET)
    model = onnx.load(target)
    del model.metadata_props[:]  # the tools may leave out the names and the stride
    model.metadata_props.extend(onnx.load(exported).metadata_props)
    onnx.save(model, target)


def decoding_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes of the last row that are in none of its branches of convolutions."""
    rows = {node.name: re.match(r"/model\.(\d+)/", node.name) for node in graph.node}
    head = f"/model.{max(int(row[1]) for row in rows.values() if row)}/"
    return [name for name in rows if name.startswith(head) and not BRANCHES.match(name.removeprefix(head))]


def _quality(file: Path, data: str, imgsz: int, milliseconds: float) -> Quality:
    settings = {"imgsz": imgsz, "batch": 1, "rect": False, "plots": False, "verbose": False, "device": "cpu"}
    box = YOLO(str(file), task="detect").val(data=data, project=str(file.parent), name="val", **settings).box
    megabytes = file.stat().st_size / 1e6
    return Quality(float(box.map50), float(box.map), milliseconds, megabytes)


def _milliseconds(files: tuple[Path, ...], imgsz: tuple[int, int]) -> dict[Path, float]:
    """{file: median time of one image on one thread}; the files take turns, after one run each that is not counted."""
    image = {"images": np.random.default_rng(0).random((1, 3, *imgsz), np.float32)}
    sessions = {file: open_file(file, threads=1)[0] for file in files}
    times: dict[Path, list[float]] = {file: [] for file in files}
    for _ in range(ROUNDS + 1):
        for file, session in sessions.items():
            start = time.perf_counter()
            session.run(None, image)
            times[file].append(1e3 * (time.perf_counter() - start))
    return {file: statistics.median(runs[1:]) for file, runs in times.items()}
