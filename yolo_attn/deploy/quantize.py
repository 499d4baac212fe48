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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from ultralytics import YOLO
from ultralytics.data.utils import IMG_FORMATS, check_det_dataset

from yolo_attn.deploy.export import export, open_model
from yolo_attn.deploy.note import Made, digest, versions
from yolo_attn.detection.letterbox import letterbox
from yolo_attn.detection.sources import read_image

FEWEST = 8  # images; the extremes of fewer say little
BRANCHES = re.compile(r"(one2one_)?cv\d")  # of the head, which are convolutions; what is not in them decodes
ROUNDS = 11  # in which the two files take turns

Progress = Callable[[list], Iterable]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a file is worth.

    Attributes:
        map50: mAP at IoU 0.5 on the data's validation set, as stock `val` finds it.
        map50_95: Mean mAP at IoU 0.5 to 0.95.
        milliseconds: Median time of one image on one thread.
        megabytes: Size of the file, in 10^6 bytes.
    """

    map50: float
    map50_95: float
    milliseconds: float
    megabytes: float


@dataclass(frozen=True, kw_only=True)
class Quantized(Made):
    """An INT8 file.

    Attributes:
        data: The data YAML.
        images: How many images it was calibrated on.
        int8: Its quality.
        float32: The quality of the same model in float.
    """

    data: str
    images: int
    int8: Quality
    float32: Quality


def quantize(
    model: str | Path, data: str | Path, images: int = 64, imgsz: int | None = None, progress: Progress = iter
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
    paths = _calibration_images(_data_set(data, yolo.names), images)
    target = weights.with_name(f"{weights.stem}-int8.onnx")
    with tempfile.TemporaryDirectory(prefix="yolo-attn-int8-") as folder:
        shutil.copy(weights, Path(folder, weights.name))  # the stock export writes beside the weights
        exported = export(Path(folder, weights.name), imgsz=imgsz, verbose=False)
        draft = Path(folder, target.name)
        _quantize(exported.file, draft, _Calibration(paths, exported.imgsz, progress))
        speed = _milliseconds({file: _session(file) for file in (exported.file, draft)}, exported.imgsz)
        quality = {file: _quality(file, str(data), imgsz, speed[file], folder) for file in (exported.file, draft)}
        partial = target.with_name(f"{target.name}.partial")
        try:
            shutil.copy(draft, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        quantized = Quantized(
            file=target,
            format="onnx",
            sha256=digest(target),
            names=exported.names,
            task=exported.task,
            imgsz=exported.imgsz,
            versions=versions(),
            data=str(data),
            images=len(paths),
            int8=quality[draft],
            float32=quality[exported.file],
        )
    quantized.write_note()
    return quantized


class _Calibration(CalibrationDataReader):
    """Images as the detector gets them."""

    def __init__(self, paths: list[Path], imgsz: tuple[int, int], progress: Progress):
        self.inputs = self._read(progress(paths), imgsz)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.inputs, None)

    @staticmethod
    def _read(paths: Iterable[Path], imgsz: tuple[int, int]) -> Iterator[dict[str, np.ndarray]]:
        for path in paths:
            image = read_image(path)
            image = letterbox(image.shape[:2], imgsz, None).apply(image)
            yield {"images": image[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255}


def _data_set(data: str | Path, names: dict[int, str]) -> dict:
    try:
        found = check_det_dataset(str(data))
    except Exception as error:  # Ultralytics raises many kinds, and plain ones, for data that it cannot use
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"quantize: the data {data} cannot be used ({reason[0][:200]}); give a data YAML") from error
    if not found.get("train"):
        raise ValueError(f"quantize: {data} names no training images, on which to calibrate")
    if list(found["names"].values()) != list(names.values()):
        raise ValueError(
            f"quantize: the model has the classes {', '.join(names.values())[:100]}, {data} has"
            f" {', '.join(map(str, found['names'].values()))[:100]}; give the data that it was trained on"
        )
    return found


def _calibration_images(data: dict, count: int) -> list[Path]:
    """As many images of the training set, evenly spread over it."""
    sources = data["train"] if isinstance(data["train"], list) else [data["train"]]
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
    """Of a folder, or of a text file with a path in each line; a path that starts with ./ lies beside the file."""
    if source.is_dir():
        return [path for path in source.rglob("*") if path.suffix[1:].lower() in IMG_FORMATS and path.is_file()]
    lines = source.read_text(encoding="utf-8").splitlines()
    return [source.parent / line if line.startswith("./") else Path(line) for line in map(str.strip, lines) if line]


def _quantize(exported: Path, target: Path, images: CalibrationDataReader) -> None:
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


def _quality(file: Path, data: str, imgsz: int, milliseconds: float, folder: str) -> Quality:
    settings = {"imgsz": imgsz, "batch": 1, "rect": False, "plots": False, "verbose": False, "device": "cpu"}
    box = YOLO(str(file), task="detect").val(data=data, project=folder, name="val", **settings).box
    return Quality(
        map50=float(box.map50),
        map50_95=float(box.map),
        milliseconds=milliseconds,
        megabytes=file.stat().st_size / 1e6,
    )


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _milliseconds(sessions: dict[Path, onnxruntime.InferenceSession], imgsz: tuple[int, int]) -> dict[Path, float]:
    """{file: median time of one image}; the files take turns, after one run each that is not counted."""
    image = {"images": np.random.default_rng(0).random((1, 3, *imgsz), np.float32)}
    times: dict[Path, list[float]] = {file: [] for file in sessions}
    for _ in range(ROUNDS + 1):
        for file, session in sessions.items():
            start = time.perf_counter()
            session.run(None, image)
            times[file].append(1e3 * (time.perf_counter() - start))
    return {file: statistics.median(runs[1:]) for file, runs in times.items()}
