"""What is wrong or doubtful in a model YAML, found without weights and without memory for them."""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
import yaml
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import rows
from yolo_attn.model_yaml.rows import Row
from yolo_attn.networks import ROW_NAMES

IMAGE_SIZE = 256  # any multiple of the largest stride in use
# What stock modules raise on arguments that do not suit them.
STOCK_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Finding:
    """One thing found in a model YAML.

    Attributes:
        level: "error": the model does not build, does not run, or part of it is without effect; "warning": it is doubtful.
        row: Index of the row, None where it concerns the whole file.
        message: One sentence.
        scales: Those of the model's scales at which it is so; empty if at all.
    """

    level: str
    row: int | None
    message: str
    scales: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = "" if self.row is None else f"row {self.row}: "
        return f"{self.level}: {place}{self.message}" + (f" (scale {', '.join(self.scales)})" if self.scales else "")


def check(text: str) -> list[Finding]:
    """Everything found in a model YAML, in the order of its rows, errors of building at any of its scales last."""
    try:
        parsed = rows.parse(text)
    except ValueError as error:
        return [Finding("error", None, str(error))]
    wiring = [*_references(parsed), *_names(parsed)]
    if wiring:  # without these right nothing further can be said
        return wiring
    findings = [*_consumers(parsed), *_comments(text, parsed)]
    return sorted(findings, key=lambda finding: finding.row) + list(_built(text, parsed))


def _references(parsed: list[Row]) -> Iterator[Finding]:
    for row in parsed:
        for entry, source in zip(row.references, row.sources, strict=True):
            if source >= row.index or (source < 0 and (row.index > 0 or entry != -1)):
                yield Finding("error", row.index, f"{row.module} reads row {entry}, which is not a row before it")


def _names(parsed: list[Row]) -> Iterator[Finding]:
    for row in parsed:
        name = row.module
        if not (name in ROW_NAMES or name.startswith(("nn.", "torchvision.ops.")) or hasattr(tasks, name)):
            yield Finding("error", row.index, f"there is no layer {name}{rows.suggestion(name)}")


def _consumers(parsed: list[Row]) -> Iterator[Finding]:
    head = parsed[-1]
    consumers = {row.index: [other for other in parsed if row.index in other.sources] for row in parsed}
    reaching = {head.index}
    for row in reversed(parsed):
        if any(consumer.index in reaching for consumer in consumers[row.index]):
            reaching.add(row.index)
    for row in parsed:
        ours = row.module in LAYERS
        if row.index not in reaching:
            ending = "nothing reads it" if not consumers[row.index] else "its output never reaches the head"
            yield Finding("error" if ours else "warning", row.index, f"{row.module} is without effect: {ending}")
        elif ours:
            for consumer in consumers.get(row.sources[0], ()):
                if consumer.index > row.index and consumer.module not in LAYERS:
                    yield Finding(
                        "error" if consumer is head else "warning",
                        consumer.index,
                        f"{consumer.module} reads row {row.sources[0]} past {row.module}, which is row {row.index}",
                    )


def _comments(text: str, parsed: list[Row]) -> Iterator[Finding]:
    lines = text.splitlines()
    for row in parsed:
        comment = rows.ROW_LINE.match(lines[row.line])["comment"] or ""
        number = rows.ROW_NUMBER.search(comment)
        if number and int(number[0]) != row.index:
            yield Finding("warning", row.index, f"its comment says row {number[0].strip()}")


def _built(text: str, parsed: list[Row]) -> Iterator[Finding]:
    """What only shows in building, at each scale, and in a forward pass over shapes alone."""
    model = yaml.safe_load(text)
    scales = list(model.get("scales") or [""])
    failures: dict[tuple[int | None, str], list[str]] = {}
    for scale in scales:
        try:
            with torch.device("meta"):
                layers, _ = tasks.parse_model(
                    {**deepcopy(model), "scale": scale}, model.get("channels", 3), verbose=False
                )
            for row, message in _shapes(layers, parsed):
                failures.setdefault((row, message), []).append(scale)
        except STOCK_ERRORS as error:
            row, _, message = re.match(r"(?:model, row (\d+) )?(`.*?`: )?(.*)", str(error), re.DOTALL).groups()
            failures.setdefault((row and int(row), f"does not build: {message or type(error).__name__}"), []).append(
                scale
            )
    for (row, message), where in failures.items():
        yield Finding("error", row, message, tuple(where) if len(where) < len(scales) else ())


def _shapes(layers: nn.Sequential, parsed: list[Row]) -> Iterator[tuple[int, str]]:
    """Rows that join maps of unequal height or width; the walk ends at the first, whose output has no shape."""
    image = torch.empty(2, next(layers.parameters()).shape[1], IMAGE_SIZE, IMAGE_SIZE, device="meta")
    outputs = []
    for layer, row in zip(list(layers)[:-1], parsed, strict=False):
        maps = [outputs[source] if source >= 0 else image for source in row.sources]
        sizes = [entry.shape[-1] for entry in maps if isinstance(entry, torch.Tensor)]
        if row.module == "Concat" and len(set(sizes)) > 1:
            strides = ", ".join(
                f"row {source}: {IMAGE_SIZE // size}" for source, size in zip(row.sources, sizes, strict=True)
            )
            yield row.index, f"Concat joins maps of unequal strides ({strides})"
            return
        with torch.no_grad():
            outputs.append(layer(maps if isinstance(layer.f, list) else maps[0]))
