"""The stock export, and the proof beside the file that it computes what the model computes."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ultralytics import RTDETR, YOLO
from ultralytics.engine.model import Model

from yolo_attn.deploy import boxes
from yolo_attn.deploy.float32 import openvino_in_float32
from yolo_attn.deploy.note import Exported
from yolo_attn.deploy.outputs import ParityError
from yolo_attn.deploy.parity import FLOAT, HALF, Comparison, compare_file, metadata, shapes_for
from yolo_attn.deploy.runtimes import first_line
from yolo_attn.detection.sources import read_image
from yolo_attn.plugin.export_format import ExportRefusedError

ON_MACOS = ("coreml", "mlmodel", "mlpackage", "mlprogram", "apple", "ios", "coreai")  # formats that run nowhere else
CONF = 0.25  # Ultralytics' lowest score of a file with NMS inside


def export(
    model: str | Path | Model,
    format: str = "onnx",
    verify: bool = True,
    images: Sequence[str | Path] = (),
    **arguments: Any,
) -> Exported:
    """Export a model as the stock command does, check the file, and write the results of the check beside it.

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
        ValueError: The model or an image cannot be read, the stock export fails, or the file cannot run on this system.
    """
    if verify and (place := _only_place(format.lower())):
        raise ValueError(
            f"export: a {format} file runs on {place} alone, so it cannot be compared with its model here; export there, or"
            " add --no-verify"
        )
    yolo = model if isinstance(model, Model) else open_model(model)
    _require_images(yolo, images)
    file = _stock_export(yolo, format, **arguments)
    about = _about(file, yolo, verify, arguments)
    exported_with = about.get("args") or {}
    dynamic = bool(exported_with.get("dynamic", arguments.get("dynamic", False)))
    inner_nms = bool(exported_with.get("nms"))
    half = any(options.get("half") or options.get("quantize") == 16 for options in (exported_with, arguments))
    tolerance = HALF if half else FLOAT
    comparisons: tuple[Comparison, ...] = ()
    if verify and not inner_nms:  # NMS inside the file: there is no raw output, only boxes
        comparisons = compare_file(yolo.model, file, tolerance, shapes_for(about, dynamic))
    box_comparisons: tuple[boxes.BoxComparison, ...] = ()
    if verify and images:
        lowest = float(arguments.get("conf", CONF)) + boxes.SCORE if inner_nms else boxes.LOWEST
        from_file = YOLO(str(file), task="detect")
        with openvino_in_float32():
            box_comparisons = boxes.compare_boxes(
                yolo, from_file, images, lowest, imgsz=[*about["imgsz"]], rect=dynamic
            )
        if not half:  # halves move boxes across thresholds: counted, not refused
            _require_same_boxes(file, box_comparisons)
    exported = Exported(
        file=file,
        format=format,
        names={int(number): str(name) for number, name in about["names"].items()},
        task=yolo.task,
        imgsz=about["imgsz"],
        dynamic=dynamic,
        tolerance=tolerance if comparisons else None,
        comparisons=comparisons,
        boxes=box_comparisons,
    )
    exported.write_note()
    return exported


def open_model(model: str | Path) -> Model:
    """Open a checkpoint or a model YAML.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else.
    """
    path, rule = Path(model), "give a checkpoint (.pt) or a model YAML"
    if path.is_dir() or path.suffix not in (".pt", ".yaml", ".yml"):
        raise ValueError(f"{model}: {'a folder' if path.is_dir() else 'no model that torch can run'}; {rule}")
    try:
        return (RTDETR if "rtdetr" in path.stem.lower() else YOLO)(str(model))  # as the stock command chooses
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{model}: not there; {rule}") from error
    except Exception as error:  # a damaged file can raise anything: KeyError, EOFError, UnpicklingError, ...
        raise ValueError(f"{model}: cannot be opened as a model ({first_line(error)}); {rule}") from error


def _only_place(format: str) -> str:
    """Name the only place where a format runs, if that is not here."""
    if format in ON_MACOS and platform.system() != "Darwin":
        return "macOS"
    if format == "rknn" and platform.machine() not in ("aarch64", "arm64"):
        return "a Rockchip processor"
    return ""


def _about(file: Path, yolo: Model, verify: bool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read what the file says of itself; without the runtime and unverified, what the model says."""
    try:
        return metadata(file)
    except Exception as error:  # of a backend, which raise anything
        if verify:
            raise ValueError(
                f"{file}: does not open here ({first_line(error)}), so it cannot be compared with its model; export where it"
                " runs, or add --no-verify"
            ) from error
        size = arguments.get("imgsz") or yolo.overrides.get("imgsz") or 640
        height, *width = size if isinstance(size, list | tuple) else [size]
        return {"names": yolo.names, "imgsz": (height, *(width or [height]))}


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
    except (ImportError, ExportRefusedError):
        raise
    except Exception as error:  # of torch, of a converter, of the disk
        raise ValueError(f"export: the stock export to {format} failed ({first_line(error)})") from error


def _require_same_boxes(file: Path, comparisons: Sequence[boxes.BoxComparison]) -> None:
    differing = [picture for picture in comparisons if picture.unmatched]
    if differing:
        raise ParityError(
            f"{file}: after NMS {differing[0].unmatched} boxes have no partner within {boxes.PIXELS} pixel and"
            f" {boxes.SCORE} score on {differing[0].image}, where the model finds {differing[0].count}; {len(differing)} of"
            f" {len(comparisons)} images differ. Do not ship this file"
        )
