"""Build a model YAML at each of its scales on torch's meta device: shapes without weights."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from ultralytics.nn.modules import Conv

from yolo_attn.checking import Finding
from yolo_attn.checking.permitted import MOST_REPEATS
from yolo_attn.model_yaml.inner_layers import stock_name
from yolo_attn.model_yaml.rows import Row
from yolo_attn.plugin import parse_model

IMAGE_SIZE = 256  # any multiple of the largest stride in use
TEXT_FEATURES = (80, 512)  # classes and width of YOLO-World's text features
MOST_MODULES = 10_000  # stock models have up to 2,000


def build_errors(model: Mapping, rows: Sequence[Row]) -> Iterator[Finding]:
    """What only shows in building, or in a forward pass, each with the scales at which it shows."""
    scales = model.get("scales") or {"": None}
    if not isinstance(scales, dict):
        rule = "write a line `n: [depth, width, max_channels]` for each scale"
        yield Finding("error", None, f"scales is no table; {rule}")
        return
    failures: dict[tuple[int | None, str], list[str]] = {}
    for scale in scales:
        if failure := _failure(model, rows, scale):
            failures.setdefault(failure, []).append(str(scale))
    for (row, message), at in failures.items():
        yield Finding("error", row, message, tuple(at) if len(at) < len(scales) else ())


def _failure(model: Mapping, rows: Sequence[Row], scale: str) -> tuple[int | None, str] | None:
    """(row, message) of the first failure at one scale, None if there is none."""
    channels = model.get("channels", 3)
    try:
        depth, *_ = (model.get("scales") or {}).get(scale) or [model.get("depth_multiple", 1)]
        if max(row.repeats for row in rows) * depth > MOST_REPEATS:
            return None, f"a row is repeated more than {MOST_REPEATS} times"
        with torch.device("meta"), _bounded():
            layers, _ = parse_model(_without_downloads(model, scale), channels, verbose=False)
            return _shape_error(layers, rows, channels)
    except Exception as error:  # stock modules raise anything on arguments that do not suit them
        message = _first_line(error)
        place = re.match(r"model, row (\d+) (?:`.*?`: )?", message)
        return int(place[1]) if place else None, f"does not build: {message[place.end() if place else 0 :]}"


@contextmanager
def _bounded() -> Iterator[None]:
    """Stop a build that does not end, and undo what a build that fails leaves behind: the default activation."""
    count, activation = 0, Conv.default_act

    def count_module(*_: object) -> None:
        nonlocal count
        count += 1
        if count > MOST_MODULES:
            raise ValueError(f"the model has more than {MOST_MODULES:,} modules")

    hook = register_module_module_registration_hook(count_module)
    try:
        yield
    finally:
        hook.remove()
        Conv.default_act = activation


def _without_downloads(model: Mapping, scale: str) -> dict:
    """A copy at one scale, in which networks of torchvision start from random weights."""
    copy = deepcopy({**model, "scale": scale})
    for row in [*copy["backbone"], *copy["head"]]:
        if stock_name(row[2]) == "TorchVision":
            row[3][2:3] = [None]  # [channels, model, weights, ...]
    return copy


def _shape_error(layers: nn.Sequential, rows: Sequence[Row], channels: int) -> tuple[int, str] | None:
    """(row, message) of the first row that cannot read what its sources give, None if there is none."""
    image, text = torch.empty(2, channels, IMAGE_SIZE, IMAGE_SIZE), torch.empty(2, *TEXT_FEATURES)
    outputs: list = []
    for layer, row in zip(list(layers)[:-1], rows, strict=False):
        sources = [outputs[source] if source >= 0 else image for source in row.sources]
        sizes = [entry.shape[-1] for entry in sources if isinstance(entry, torch.Tensor)]
        if row.block == "Concat" and len(set(sizes)) > 1:
            strides = [f"row {source}: {IMAGE_SIZE // size}" for source, size in zip(row.sources, sizes, strict=True)]
            return row.index, f"Concat joins feature maps of unequal strides ({', '.join(strides)})"
        given = sources if isinstance(layer.f, list) else sources[0]
        try:
            with torch.no_grad():
                # As in YOLO-World's forward pass: these two read text features beside their rows.
                outputs.append(layer(given, text) if row.block in ("C2fAttn", "ImagePoolingAttn") else layer(given))
        except Exception as error:  # as in `_failure`
            return row.index, f"{row.module} does not run: {_first_line(error)}"
    return None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
