"""Check the plug-in rows of a model YAML and write them as Ultralytics' parser can build them.

A plug-in row gives hyper-parameters only, `[-1, 1, EMA, [32]]`; `Arguments` adds the width. A network gives several feature maps,
which `Feature` rows pick from; these become rows of the stock `Index`. A message says what is wrong with the row; the caller adds
which row it is.
"""

import ast
import inspect
from typing import Any

from torch import nn
from ultralytics.nn import tasks

from yolo_attn import networks
from yolo_attn.layers import is_multi_source
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.networks.row_arguments import read_layer_call
from yolo_attn.plugin.arguments import fitted
from yolo_attn.plugin.offered_layers import find_layer
from yolo_attn.plugin.source_widths import Arguments, Sources, arguments_of

HEADS = {"Classifier": "classes", "AnchorDetect": "boxes"}  # rows that come last, and what they give


def prepare(row: Any, earlier: list, is_last: bool, nc: int | None) -> Any:
    """Return a row as Ultralytics' parser is to see it; rows of other modules pass unchanged. `earlier` rows are prepared.

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
        _check_reads_no_network(name, source, earlier)
        return row
    several = is_multi_source(layer)
    _check_number(name, number, several)
    sources = _checked_sources(name, source, several, len(earlier))
    _check_reads_no_network(name, source, earlier)
    _check_position(name, layer, is_last)
    _check_is_list(name, values)
    values = [nc if value == "nc" and name in networks.MODULES else literal(value) for value in values]
    if name == networks.FEATURE:
        return [source, number, "Index", _index_arguments(values, earlier[source] if earlier else None)]
    values = fitted_arguments(layer, values)
    setattr(tasks, name, layer)
    source = Sources(sources) if several else source
    return [source, number, name, Arguments(source, layer, values)]


def fitted_arguments(layer: type[nn.Module], values: list) -> list:
    """Return a layer's arguments as its constructor asks for them, those of a layer that it is given by name checked as well.

    Raises:
        ValueError: They do not fit.
    """
    values = fitted(layer, values)
    _check_inner_layer(layer, values)
    return values


def _layer(name: Any) -> type[nn.Module] | None:
    """Return the class that a row of the plug-in names; None for other names, and where Ultralytics has a module of that name."""
    if not isinstance(name, str):
        return None
    if name == networks.FEATURE:
        layer: Any = tasks.Index
    elif name in networks.MODULES:
        layer = networks.load(name)
    else:
        layer = find_layer(name)
    return layer if getattr(tasks, name, layer) is layer else None


def _network(row: Any) -> Arguments | None:
    """Return the arguments of a prepared row that is a network, None for any other row."""
    arguments = arguments_of(row)
    return arguments if arguments is not None and hasattr(arguments.layer, "stage_widths") else None


def _check_malformed(row: Any) -> None:
    """Refuse an entry that is no row, if it names a plug-in layer; Ultralytics' parser refuses the others."""
    entries = row if isinstance(row, list | tuple | dict) else [row]
    for name in filter(_layer, entries):
        shape = f"{len(entries)} entries" if isinstance(row, list | tuple) else f"a {type(row).__name__}"
        raise ValueError(
            f"{name}: a row is a list of four, [from, number, module, arguments], found {shape}; "
            f"write `- [-1, 1, {name}, []]` for the defaults"
        )


def _check_name(name: Any) -> None:
    if isinstance(name, str) and "." not in name and not hasattr(tasks, name) and (close := suggestion(name)):
        raise ValueError(f"there is no layer {name}{close}")


def _check_reads_no_network(name: Any, source: Any, earlier: list) -> None:
    """Refuse a network as the source of a row, of whatever module, that does not pick one of its feature maps."""
    for entry in source if isinstance(source, list | tuple) else [source]:
        exists = isinstance(entry, int) and -len(earlier) <= entry < len(earlier)
        network = _network(earlier[entry]) if exists and name not in ("Index", networks.FEATURE) else None
        if network is not None:
            index = entry % len(earlier)
            raise ValueError(
                f"{name} cannot read row {index}, {network.layer.__name__}, which gives several feature maps; "
                f"put `- [{index}, 1, Feature, [5]]` in between"
            )


def _check_number(name: str, number: Any, several: bool) -> None:
    if type(number) is not int or number < 1:
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
        if type(entry) is not int or not -max(index, 1) <= entry < index:
            rule = f"write -1 to -{index} or 0 to {index - 1}" if index else "the first row reads the image, write -1"
            raise ValueError(f"{name}: {entry!r} is not a row before this one; {rule}")
    return sources


def _check_position(name: str, layer: Any, is_last: bool) -> None:
    if name in HEADS and not is_last:
        raise ValueError(f"{name} gives {HEADS[name]}, which no row can read; make it the last row")
    if hasattr(layer, "stage_widths") and is_last:
        rule = "cannot be the last row; write Feature rows and a head after it"
        raise ValueError(f"{name} gives several feature maps and {rule}")


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
    elif isinstance(name, str) and (inner_layer := find_layer(name)):
        inner, values = inner_layer, list(given.get("arguments", ()))
    else:  # no layer, or one that the constructor refuses
        return
    _check_inner_layer(inner, fitted(inner, values))


def _index_arguments(values: list, source: Any) -> list[int]:
    """Return the arguments of the `Index` row for a `Feature` row: width and position of the feature map. No source is the image."""
    network = _network(source)
    if network is None:
        reason = "its source gives one feature map, which needs no picking"
        raise ValueError(f"Feature reads a network such as ResNet; {reason}")
    if len(values) != 1:
        raise ValueError(f"{len(values)} arguments do not fit Feature(stage: int); write the number of one stage, [5]")
    widths = dict(enumerate(network.layer.stage_widths(*network.values), start=2))
    stage = values[0]
    if type(stage) is not int or stage not in widths:
        raise ValueError(f"Feature: there is no stage {stage!r}; write {min(widths)} to {max(widths)}")
    return [widths[stage], stage - min(widths)]


def literal(value: Any) -> Any:
    """Return the value of a text such as None or 1e-3, which YAML leaves a text and Ultralytics' parser reads as Python."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
