"""The stock export, and the proof beside the file that it computes what the model computes."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ultralytics import RTDETR, YOLO
from ultralytics.engine.model import Model
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy import boxes, parity
from yolo_attn.deploy.feature_maps import RELATIVE, open_feature_maps
from yolo_attn.deploy.note import Exported, digest, versions
from yolo_attn.deploy.runtimes import RUN_ERRORS, opened
from yolo_attn.detection.sources import read_image

CONF = 0.25  # Ultralytics' lowest score of a file with NMS inside


def export(
    model: str | Path | Model,
    format: str = "onnx",
    verify: bool = True,
    images: Sequence[str | Path] = (),
    **arguments: Any,
) -> Exported:
    """Export a model as the stock command does, check the file, and write what was found beside it.

    Random images go through both at the size of the export, and where the file takes any size also at other sizes, height
    and width apart, one and three at once. Given images go through Ultralytics' own predict with both.

    Args:
        model: A checkpoint, a model YAML, or a `YOLO`.
        format: As Ultralytics calls it.
        verify: Whether to check.
        images: Paths of images on which to compare boxes after NMS; detection models only.
        arguments: Of the stock export: imgsz, dynamic, simplify, opset, nms, quantize, ...

    Raises:
        ParityError: The file computes something else; the message says what, and for ONNX from which row on.
        FileNotFoundError: The model or an image is missing.
        ValueError: The model or an image cannot be read, or the stock export fails.
    """
    yolo = model if isinstance(model, Model) else open_model(model)
    _require_images(yolo, images)
    file = _stock_export(yolo, format, **arguments)
    about = metadata(file)
    exported_with = about.get("args") or {}
    dynamic = bool(exported_with.get("dynamic", arguments.get("dynamic", False)))
    inner_nms = bool(exported_with.get("nms"))
    tolerance = parity.HALF if _is_half(exported_with) or _is_half(arguments) else parity.FLOAT
    comparisons: tuple[parity.Comparison, ...] = ()
    if verify and not inner_nms:  # NMS inside the file: there is no raw output, only boxes
        comparisons = compare(yolo.model, file, tolerance, shapes_for(about, dynamic))
    compared: tuple[boxes.BoxComparison, ...] = ()
    if verify and images:
        lowest = float(arguments.get("conf", CONF)) + boxes.SCORE if inner_nms else boxes.LOWEST
        compared = boxes.compare_boxes(
            yolo, YOLO(str(file), task="detect"), images, lowest, imgsz=list(about["imgsz"]), rect=dynamic
        )
        if tolerance is parity.FLOAT:  # halves move boxes across thresholds: counted, not refused
            _require_same_boxes(file, compared)
    exported = Exported(
        file=file,
        format=format,
        sha256=digest(file),
        names={int(number): str(name) for number, name in about["names"].items()},
        task=yolo.task,
        imgsz=about["imgsz"],
        versions=versions(),
        dynamic=dynamic,
        tolerance=tolerance if comparisons else None,
        comparisons=comparisons,
        boxes=compared,
    )
    exported.write_note()
    return exported


def compare(
    network: BaseModel, file: Path, tolerance: parity.Tolerance, shapes: Sequence[tuple[int, int, int, int]]
) -> tuple[parity.Comparison, ...]:
    """Compare the raw outputs of a model with those of its exported file, on random images of each shape.

    Raises:
        ParityError: They differ by more than `tolerance`; the message names the input, what differs, and for ONNX the row.
    """
    run = _opened(file)
    network = reference(network, bool(metadata(file).get("end2end")))
    in_float32 = tolerance is not parity.HALF
    factor = parity.strength(network, shapes[0]) if in_float32 else 1.0  # halves end at 65,504
    strengths = (1.0,) if factor == 1 else (1.0, factor)
    maps_of = open_feature_maps(network, file) if file.suffix == ".onnx" and in_float32 else lambda _images: []
    comparisons = []
    for shape in shapes:
        where, images = f"{file}: input {'x'.join(map(str, shape))}", parity.random_images(shape)
        try:
            differences = parity.compare(network, run, images * factor, tolerance)
        except parity.ParityError as error:
            raise parity.ParityError(f"{where} {error}. Do not ship this file") from error
        maps = [entry for strength in strengths for entry in maps_of(images * strength)]
        comparison = parity.Comparison(
            shape, factor, differences, max((entry.relative for entry in maps), default=None)
        )
        found = [str(comparison.worst)] if comparison.worst.share > 1 else []
        found += [str(entry) for entry in maps if entry.relative > RELATIVE][:1]
        if found:
            raise parity.ParityError(f"{where}: {'; '.join(found)}. Do not ship this file")
        comparisons.append(comparison)
    return tuple(comparisons)


def reference(network: BaseModel, end2end: bool) -> BaseModel:
    """A copy of the model for comparison: float32, on the CPU, not fused, with the head that was exported."""
    network = copy.deepcopy(network).cpu().float().eval()
    if hasattr(network, "end2end") and bool(network.end2end) != end2end:
        network.end2end = end2end
    return network


def shapes_for(about: dict, dynamic: bool) -> list[tuple[int, int, int, int]]:
    """Input shapes on which to compare: the one of the export, and with dynamic size three more."""
    height, width = about["imgsz"]
    channels, batch, stride = int(about.get("channels", 3)), int(about.get("batch", 1)), int(about.get("stride", 32))
    shapes = [(batch, channels, height, width)]
    if dynamic:
        tall, wide = max(stride, height // 2), width + 3 * stride
        tall += stride * (tall == wide)
        rounded = [-(-side // stride) * stride for side in (tall, wide)]
        shapes += [(1, channels, *rounded), (3, channels, *rounded), (3, channels, *rounded[::-1])]
    return shapes


def metadata(file: Path) -> dict:
    """What Ultralytics wrote into, or beside, an exported file."""
    backend = AutoBackend(str(file), device=torch.device("cpu"), verbose=False)
    keys = ("names", "imgsz", "stride", "batch", "channels", "task", "end2end", "args")
    about = {key: getattr(backend, key) for key in keys if hasattr(backend, key)}
    return {**about, "imgsz": tuple(int(side) for side in about["imgsz"])}


def open_model(model: str | Path) -> Model:
    """Open a checkpoint or a model YAML.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else.
    """
    rule = "give a checkpoint (.pt) or a model YAML"
    if Path(model).is_dir() or Path(model).suffix not in (".pt", ".yaml", ".yml"):
        raise ValueError(f"{model}: {'a folder' if Path(model).is_dir() else 'no model that torch can run'}; {rule}")
    try:
        return (RTDETR if "rtdetr" in Path(model).stem.lower() else YOLO)(str(model))  # as the stock command chooses
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{model}: not there; {rule}") from error
    except Exception as error:  # a damaged file can raise anything: KeyError, EOFError, UnpicklingError, ...
        raise ValueError(f"{model}: cannot be opened as a model ({_first_line(error)}); {rule}") from error


def _require_images(yolo: Model, images: Sequence[str | Path]) -> None:
    if images and yolo.task != "detect":
        raise ValueError(f"export: the model is one for {yolo.task}; boxes on images are compared for detect only")
    missing = [str(image) for image in images if not Path(image).is_file()]
    if missing:
        raise FileNotFoundError(f"export: no image {', '.join(missing)}; boxes are compared on images that exist")
    for image in images:
        read_image(Path(image))  # raises where there is none


def _stock_export(yolo: Model, format: str, **arguments: object) -> Path:
    try:
        return Path(yolo.export(format=format, **arguments))
    except ImportError:
        raise
    except Exception as error:  # of torch, of a converter, of the disk
        raise ValueError(f"export: the stock export to {format} failed ({_first_line(error)})") from error


def _opened(file: Path) -> parity.Run:
    try:
        return opened(file)
    except RUN_ERRORS as error:
        raise parity.ParityError(f"{file}: does not open ({_first_line(error)}). Do not ship this file") from error


def _require_same_boxes(file: Path, compared: Sequence[boxes.BoxComparison]) -> None:
    differing = [picture for picture in compared if picture.unmatched]
    if differing:
        raise parity.ParityError(
            f"{file}: after NMS {differing[0].unmatched} boxes have no partner within {boxes.PIXELS} pixel and"
            f" {boxes.SCORE} score on {differing[0].image}, where the model finds {differing[0].count}; {len(differing)} of"
            f" {len(compared)} images differ. Do not ship this file"
        )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else 'no message'}"


def _is_half(arguments: dict) -> bool:
    return bool(arguments.get("half")) or arguments.get("quantize") == 16
