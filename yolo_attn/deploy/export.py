"""The stock export, and the proof beside the file that it computes what the model computes."""

import copy
import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.autobackend import AutoBackend

from yolo_attn.deploy import parity

HALF = 1e-2  # the tolerance of raw outputs where weights are halves
PACKAGES = ("yolo-attn", "ultralytics", "torch", "onnx", "onnxruntime", "onnxslim", "openvino")


@dataclass(frozen=True)
class Exported:
    """A file, and what is known of it; written as JSON beside it.

    Attributes:
        file: The exported file, or folder.
        format: As Ultralytics calls it.
        sha256: Of the file, or of the files of the folder in order of their names.
        names: The classes.
        task: detect, classify, ...
        imgsz: Height and width of the export.
        dynamic: Whether it takes other heights, widths and numbers of images.
        versions: Of the packages that made and checked it.
        tolerance: Up to which raw outputs may differ, as a share of the largest value; None if they were not compared.
        raw: The comparisons of raw outputs.
        boxes: The comparisons of boxes after NMS.
    """

    file: Path
    format: str
    sha256: str
    names: dict[int, str]
    task: str
    imgsz: tuple[int, int]
    dynamic: bool
    versions: dict[str, str]
    tolerance: float | None
    raw: tuple[parity.Raw, ...]
    boxes: tuple[parity.Boxes, ...]

    @property
    def note(self) -> Path:
        """The JSON file."""
        return self.file.with_name(f"{self.file.name}.json")

    @property
    def summary(self) -> str:
        """What was compared, in words."""
        parts = []
        if self.raw:
            parts.append(
                f"outputs agree with torch to {self.worst:.0e} of their largest value at {len(self.raw)} input shapes"
            )
        if self.boxes:
            parts.append(
                f"{sum(entry.count for entry in self.boxes)} boxes on {len(self.boxes)} images, of which"
                f" {sum(entry.unmatched for entry in self.boxes)} have no partner"
            )
        return ", ".join(parts) or "not verified"

    @property
    def worst(self) -> float:
        """The largest relative difference of raw outputs."""
        return max((entry.worst for entry in self.raw), default=0.0)


def export(
    model: "str | Path | YOLO",
    format: str = "onnx",
    verify: bool = True,
    images: Sequence[str | Path] = (),
    **arguments,
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
        FileNotFoundError: An image is missing.
    """
    missing = [str(image) for image in images if not Path(image).is_file()]
    if missing:
        raise FileNotFoundError(f"export: no image {', '.join(missing)}; --verify compares boxes on images that exist")
    yolo = model if isinstance(model, YOLO) else YOLO(str(model))
    if images and yolo.task != "detect":
        raise ValueError(f"export: {model} is a model for {yolo.task}; boxes on images are compared for detect only")
    file = Path(yolo.export(format=format, **arguments))
    about = metadata(file)
    arguments_kept = about.get("args") or {}
    dynamic = bool(arguments_kept.get("dynamic", arguments.get("dynamic", False)))
    inner_nms = bool(arguments_kept.get("nms"))
    height, width = about["imgsz"]
    found, tolerance = (), None
    if verify and not inner_nms:  # NMS inside the file: there is no raw output, only boxes
        tolerance = HALF if _halves(arguments_kept, arguments) else parity.TOLERANCE
        found = compare(yolo.model, file, tolerance, shapes_for(about, dynamic))
    compared = ()
    if verify and images:
        settings = {"imgsz": [height, width], "rect": dynamic}
        if inner_nms:  # it has its own lowest score
            settings["lowest"] = arguments.get("conf", 0.25) + parity.SCORE
        compared = tuple(parity.boxes(yolo, YOLO(str(file), task="detect"), images, **settings))
        odd = [entry for entry in compared if entry.unmatched]
        if odd and tolerance != HALF:  # halves move boxes across thresholds: counted, not refused
            raise parity.ParityError(
                f"{file}: after NMS {odd[0].unmatched} boxes have no partner within {parity.PIXELS} pixel and"
                f" {parity.SCORE} score on {odd[0].image}, where the model finds {odd[0].count}; {len(odd)} of"
                f" {len(compared)} images differ. Do not ship this file"
            )
    names = {int(kind): str(name) for kind, name in about["names"].items()}
    described = (file, format, digest(file), names, yolo.task, (height, width), dynamic, versions())
    exported = Exported(*described, tolerance, tuple(found), compared)
    exported.note.write_text(json.dumps(asdict(exported), default=str, indent=2) + "\n", encoding="utf-8")
    return exported


def compare(network: nn.Module, file: Path, tolerance: float, shapes: Sequence[tuple]) -> tuple[parity.Raw, ...]:
    """Raw outputs of a model and its exported file.

    Raises:
        ParityError: They differ by more than `tolerance`.
    """
    backend = parity.opened(file)
    network = reference(network, bool(metadata(file).get("end2end")))
    found = []
    for shape in shapes:
        where = f"{file}: input {'x'.join(map(str, shape))}"
        try:
            found.append(parity.raw(network, backend, shape))
        except parity.ParityError as error:
            raise parity.ParityError(f"{where} {error}. Do not ship this file") from error
        if found[-1].worst > tolerance:
            row = f"; {parity.first_row_that_differs(network, file, shape)}" if file.suffix == ".onnx" else ""
            raise parity.ParityError(
                f"{where} gives outputs that differ from torch by {found[-1].worst:.1e} of their largest value, allowed are"
                f" {tolerance:.0e}{row}. Do not ship this file"
            )
    return tuple(found)


def reference(network: nn.Module, end2end: bool) -> nn.Module:
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


def digest(file: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in order of their names."""
    content = hashlib.sha256()
    for part in sorted(path for path in file.rglob("*") if path.is_file()) if file.is_dir() else [file]:
        content.update(part.read_bytes())
    return content.hexdigest()


def versions() -> dict[str, str]:
    """Of Python and of the packages, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _halves(*arguments: dict) -> bool:
    return any(given.get("half") or given.get("quantize") == 16 for given in arguments)
