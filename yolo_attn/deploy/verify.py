"""An exported file against its model: raw outputs and feature maps on random images of several shapes."""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy import parity
from yolo_attn.deploy.feature_maps import RELATIVE, open_feature_maps
from yolo_attn.deploy.parity import Comparison, ParityError
from yolo_attn.deploy.runtimes import RUN_ERRORS, first_line, opened


def compare(
    network: BaseModel, file: Path, tolerance: parity.Tolerance, shapes: Sequence[tuple[int, int, int, int]]
) -> tuple[Comparison, ...]:
    """Compare the raw outputs of a model with those of its exported file, on random images of each shape.

    Raises:
        ParityError: They differ by more than `tolerance`; the message names the input, what differs, and for ONNX the row.
    """
    try:
        run = opened(file)
    except RUN_ERRORS as error:
        raise ParityError(f"{file}: does not open ({first_line(error)}). Do not ship this file") from error
    network = _reference(network, bool(metadata(file).get("end2end")))
    in_float32 = tolerance is not parity.HALF
    factor = parity.strength(network, shapes[0]) if in_float32 else 1.0  # halves end at 65,504
    map_differences = open_feature_maps(network, file) if in_float32 and file.suffix == ".onnx" else lambda _images: []
    comparisons = []
    for shape in shapes:
        images = parity.random_images(shape)
        try:
            differences = parity.compare(network, run, images * factor, tolerance)
            maps = [entry for strength in sorted({1.0, factor}) for entry in map_differences(images * strength)]
            comparison = Comparison(shape, factor, differences, max((entry.relative for entry in maps), default=None))
            faults = [str(comparison.worst)] if comparison.worst.share > 1 else []
            faults += [str(entry) for entry in maps if entry.relative > RELATIVE][:1]
            if faults:
                raise ParityError("; ".join(faults))
        except ParityError as error:
            where = f"{file}: input {'x'.join(map(str, shape))}"
            raise ParityError(f"{where}: {error}. Do not ship this file") from error
        comparisons.append(comparison)
    return tuple(comparisons)


def metadata(file: Path) -> dict:
    """Read what Ultralytics wrote into, or beside, an exported file."""
    backend = AutoBackend(str(file), device=torch.device("cpu"), verbose=False)
    keys = ("names", "imgsz", "stride", "batch", "channels", "task", "end2end", "args")
    about = {key: getattr(backend, key) for key in keys if hasattr(backend, key)}
    return {**about, "imgsz": tuple(int(side) for side in about["imgsz"])}


def shapes_for(about: dict, dynamic: bool) -> list[tuple[int, int, int, int]]:
    """Choose input shapes to compare on: the one of the export, and with dynamic size three more.

    Args:
        about: As `metadata` reads it.
        dynamic: Whether the file takes any size and number of images.
    """
    height, width = about["imgsz"]
    channels, batch, stride = int(about.get("channels", 3)), int(about.get("batch", 1)), int(about.get("stride", 32))
    shapes = [(batch, channels, height, width)]
    if dynamic:
        tall, wide = max(stride, height // 2), width + 3 * stride
        tall += stride * (tall == wide)
        tall, wide = (-(-side // stride) * stride for side in (tall, wide))  # up to a multiple of the stride
        shapes += [(1, channels, tall, wide), (3, channels, tall, wide), (3, channels, wide, tall)]
    return shapes


def _reference(network: BaseModel, end2end: bool) -> BaseModel:
    """A copy of the model in float32, on the CPU, not fused, with the head that was exported."""
    network = copy.deepcopy(network).cpu().float().eval()
    if hasattr(network, "end2end") and bool(network.end2end) != end2end:
        network.end2end = end2end
    return network
