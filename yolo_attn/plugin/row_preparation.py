"""Check the plug-in rows in a model YAML and write them as Ultralytics' parser can build them.

A plug-in row gives hyper-parameters only, `[-1, 1, EMA, [32]]`; `Arguments` takes care of the width. `Feature` rows become rows of
the stock `Index`. A message says what is wrong with the row; the caller adds which row it is.
"""

import ast
import inspect
from typing import Any

from torch import nn
from ultralytics.nn import tasks

from yolo_attn import networks
from yolo_attn.layers import LAYERS, is_multi_source
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.networks.row_arguments import read_layer_call
from yolo_attn.plugin.arguments import fitted
from yolo_attn.plugin.network_rows import check_position, check_reads_no_network, index_arguments
from yolo_attn.plugin.source_widths import Arguments, Sources


def prepare(row: Any, earlier: list, is_last: bool, nc: int | None) -> Any:
    """Return a row as Ultralytics' parser is to see it; rows of other modules pass unchanged.

    Args:
        row: The row as the YAML has it.
        earlier: The rows before it, prepared.
        is_last: Whether no row follows.
        nc: The model's number of classes.

    Raises:
        ValueError: A plug-in row cannot be built, or a row reads a network that only `Feature` can read.
    """
    if not (isinstance(row, list | tuple) and len(row) == 4):
        _check_malformed(row)
        return row
    source, number, name, values = row
    layer = _layer(name)
    if layer is None:
        _check_name(name)
        check_reads_no_network(name, source, earlier)
        return row
    several = is_multi_source(layer)
    _check_number(name, number, several)
    sources = _checked_sources(name, source, several, len(earlier))
    check_reads_no_network(name, source, earlier)
    check_position(name, layer, is_last)
    _check_is_list(name, values)
    values = [nc if value == "nc" and name in networks.MODULES else _literal(value) for value in values]
    if name == networks.FEATURE:
        return [source, number, "Index", index_arguments(values, earlier[source] if earlier else None)]
    values = fitted(layer, values)
    _check_inner_layer(layer, values)
    setattr(tasks, name, layer)
    source = Sources(sources) if several else source
    return [source, number, name, Arguments(source, layer, values)]


def _layer(name: Any) -> type[nn.Module] | None:
    """Return the class that a name of ours stands for; None for other names, also where Ultralytics has a module of that name."""
    if not isinstance(name, str):
        return None
    layer = LAYERS.get(name)
    if name == networks.FEATURE:
        layer = tasks.Index
    elif name in networks.MODULES:
        layer = networks.load(name)
    return layer if getattr(tasks, name, layer) is layer else None


def _check_malformed(row: Any) -> None:
    """Refuse what is no row at all, if it names a layer of ours; anything else is the stock parser's to refuse."""
    entries = row if isinstance(row, list | tuple | dict) else [row]
    for name in filter(_layer, entries):
        found = f"{len(entries)} entries" if isinstance(row, list | tuple) else f"a {type(row).__name__}"
        raise ValueError(
            f"{name}: a row is a list of four, [from, number, module, arguments], found {found}; "
            f"write `- [-1, 1, {name}, []]` for the defaults"
        )


def _check_name(name: Any) -> None:
    if isinstance(name, str) and "." not in name and not hasattr(tasks, name) and (close := suggestion(name)):
        raise ValueError(f"there is no layer {name}{close}")


def _check_number(name: str, number: Any, several: bool) -> None:
    if not _is_integer(number) or number < 1:
        raise ValueError(f"{name}: the number of repeats is an integer of 1 or more, found {number!r}; write 1")
    if number > 1 and (several or name in networks.ROW_NAMES):
        reason = "reads several rows" if several else "changes the width"
        raise ValueError(f"{name} {reason} and cannot be repeated; found n = {number}, write 1")


def _checked_sources(name: str, source: Any, several: bool, index: int) -> list[int]:
    """Return the sources of row `index` as written, in a list."""
    if isinstance(source, list | tuple) and not several:
        raise ValueError(f"{name} reads one row, found the list {source}; write one index, or put a Concat before it")
    sources = list(source) if isinstance(source, list | tuple) else [source]
    if not sources:
        raise ValueError(f"{name} reads at least one row, found []; write [-1], or more rows before this one")
    for entry in sources:
        if not _is_integer(entry) or not -max(index, 1) <= entry < index:
            rule = f"write -1 to -{index} or 0 to {index - 1}" if index else "the first row reads the image, write -1"
            raise ValueError(f"{name}: {entry!r} is not a row before this one; {rule}")
    return sources


def _check_is_list(name: str, values: Any) -> None:
    if isinstance(values, list | tuple):
        return
    given = list(values.values()) if isinstance(values, dict) else [] if values is None else [values]
    way_out = f"write [{', '.join(map(str, given))}]" if given else "write [] for the defaults"
    raise ValueError(f"{name}: the arguments of a row are a list, found {values}; {way_out}")


def _check_inner_layer(layer: type[nn.Module], values: list) -> None:
    """Check the arguments of the layer that ReZero, PointwiseControl or a network is given by its parameter `layer`."""
    if not layer.__module__.startswith("yolo_attn."):
        return
    given = inspect.signature(layer).bind(None, *values).arguments
    name = given.get("layer")
    if name and layer.__name__ in networks.MODULES:
        inner, values = read_layer_call(name)
    elif name in LAYERS:
        inner, values = LAYERS[name], list(given.get("arguments", ()))
    else:  # none, or the constructor says which there are
        return
    _check_inner_layer(inner, fitted(inner, values))


def _literal(value: Any) -> Any:
    """Return the value of a text such as None or 1e-3, which YAML leaves a text and Ultralytics' parser reads as Python."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
