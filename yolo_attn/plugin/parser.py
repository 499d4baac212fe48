"""Ultralytics' `parse_model` for model YAMLs with plug-in rows: a layer of LAYERS, a network, a `Feature` or layers inside a block."""

import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ultralytics
from torch import nn
from ultralytics.nn import tasks
from ultralytics.utils import LOGGER

from yolo_attn.plugin.inner_layers import InnerLayer, without_inner_layers
from yolo_attn.plugin.inside_blocks import insert
from yolo_attn.plugin.offered_layers import register_named_files
from yolo_attn.plugin.row_preparation import prepare
from yolo_attn.plugin.source_widths import Sources, arguments_of

UNKNOWN_PARSER = f"yolo_attn cannot give layers their width in Ultralytics {ultralytics.__version__}, which reads YAML rows differently"


def parse_model(d: dict, ch: int, *args: Any, **kwargs: Any) -> tuple[nn.Sequential, list[int]]:
    """Build the model of a YAML's dict as Ultralytics' function of this name does, plug-in rows included.

    Raises:
        ValueError: A plug-in row cannot be built; the message names the file and the row.
    """
    return with_attention_rows(inspect.unwrap(tasks.parse_model))(d, ch, *args, **kwargs)


def with_attention_rows(original: Callable) -> Callable:
    """Wrap `ultralytics.nn.tasks.parse_model`: see `parse_model` here."""

    def parse_model(d: dict, ch: int, *args: Any, **kwargs: Any) -> tuple[nn.Sequential, list[int]]:
        if not all(isinstance(d.get(section), list) for section in ("backbone", "head")):
            return original(d, ch, *args, **kwargs)
        if "layers" in d:
            register_named_files(d)
        rows = [*d["backbone"], *d["head"]]
        prepared: list = []
        inner_layers: list = []
        for row in rows:
            try:
                row, layers = without_inner_layers(row)
                prepared.append(prepare(row, prepared, len(prepared) == len(rows) - 1, d.get("nc")))
                inner_layers.append(layers)
            except ValueError as error:
                raise _error(d, len(prepared), str(error)) from error
        if all(new is old for new, old in zip(prepared, rows, strict=True)):
            return original(d, ch, *args, **kwargs)
        # A copy: the caller's dict ends up in checkpoints and keeps the rows as they were written.
        split = len(d["backbone"])
        copy = {**d, "backbone": prepared[:split], "head": prepared[split:]}
        arguments = {index: entry for index, row in enumerate(prepared) if (entry := arguments_of(row)) is not None}
        try:
            model, save = original(copy, ch, *args, **kwargs)
        except Exception as error:
            index = _row_being_built(original, error)
            if index not in arguments:
                raise
            raise _error(d, index, _sentence(error) if arguments[index].complete else UNKNOWN_PARSER) from error
        for index, values in arguments.items():
            if not values.complete:
                raise _error(d, index, UNKNOWN_PARSER)
        for module in model:
            if isinstance(module.f, Sources):
                module.f = list(module.f)  # plain in checkpoints
        verbose = kwargs.get("verbose", args[0] if args else True)
        for index, layers in enumerate(inner_layers):
            if layers:
                try:
                    _put_inside(model[index], prepared[index][2], layers, verbose)
                except Exception as error:
                    raise _error(d, index, _sentence(error)) from error
        return model, save

    return parse_model


def _put_inside(row: Any, block: str, layers: Sequence[InnerLayer], verbose: bool) -> None:
    """Put layers inside a built row, once all rows are: so a seed gives stock modules the weights that it gives them without."""
    modules = insert(row, block, layers)
    row.np = sum(parameter.numel() for parameter in row.parameters())
    if verbose:
        count = Counter(type(module).__name__ for module in modules)
        added = sum(parameter.numel() for module in modules for parameter in module.parameters())
        inside = " and ".join(f"{number} {name}" for name, number in count.items())
        LOGGER.info(f"{row.i:>3} {block} with {inside} inside, {added} parameters more")


def _error(d: dict, index: int, message: str) -> ValueError:
    file = Path(d.get("yaml_file") or "model").name
    row = str([*d["backbone"], *d["head"]][index]).replace("'", "")
    return ValueError(f"{file}, row {index} `- {row}`: {message}")


def _row_being_built(parser: Callable, error: BaseException) -> int | None:
    """Return the index of the row at which Ultralytics' parser stopped, None if the error came from elsewhere.

    The parser lets a constructor's error pass as it is; nothing but its local variable `i` says which row it was at. A class around
    each layer would know, but it would show in checkpoints and in the table of rows.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is parser.__code__:
            return frame.f_locals.get("i")
    return None


def _sentence(error: BaseException) -> str:
    """Return an error's message on one line, led by the error's type where that is not plain ValueError."""
    message = " ".join(str(error).split())
    return message if message and type(error) is ValueError else f"{type(error).__name__}: {message}".removesuffix(": ")
