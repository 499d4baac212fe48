"""Rules for rows of networks: a network gives several feature maps, which `Feature` rows pick from, and `Classifier` comes last."""

from typing import Any

from yolo_attn.networks import FEATURE
from yolo_attn.plugin.source_widths import Arguments, arguments_of

READERS = ("Index", FEATURE)
HEADS = {"Classifier": "classes", "AnchorDetect": "boxes"}  # last rows, and what they give


def check_reads_no_network(name: Any, source: Any, earlier: list) -> None:
    """Refuse a row, of whatever module, that reads a network and is not there to pick one of its feature maps.

    Args:
        name: The row's module.
        source: Its source or sources as written.
        earlier: The rows before it, prepared.

    Raises:
        ValueError: One of the sources is a network.
    """
    for entry in source if isinstance(source, list | tuple) else [source]:
        known = isinstance(entry, int) and -len(earlier) <= entry < len(earlier)
        network = _network(earlier[entry]) if known and name not in READERS else None
        if network is not None:
            index = entry % len(earlier)
            raise ValueError(
                f"{name} cannot read row {index}, {network.layer.__name__}, which gives several feature maps; "
                f"put `- [{index}, 1, Feature, [5]]` in between"
            )


def check_position(name: str, layer: Any, is_last: bool) -> None:
    """Refuse a network as the last row, and a head anywhere else.

    Raises:
        ValueError: The row stands where it cannot.
    """
    if name in HEADS and not is_last:
        raise ValueError(f"{name} gives {HEADS[name]}, which no row can read; make it the last row")
    if hasattr(layer, "stage_widths") and is_last:
        raise ValueError(
            f"{name} gives several feature maps and cannot be the last row; write Feature rows and a head after it"
        )


def index_arguments(values: list, source: Any) -> list[int]:
    """Return the arguments of the stock `Index` row that a `Feature` row stands for: width and position of the feature map.

    Args:
        values: The arguments of the `Feature` row.
        source: The prepared row that it reads, None for the image.

    Raises:
        ValueError: The source is no network, or it has no such stage.
    """
    network = _network(source)
    if network is None:
        raise ValueError(
            "Feature reads a network such as ResNet; its source gives one feature map, which needs no picking"
        )
    widths = network.layer.stage_widths(*network.values)
    stages = range(2, 2 + len(widths))
    if len(values) != 1:
        raise ValueError(f"{len(values)} arguments do not fit Feature(stage: int); write the number of one stage, [5]")
    stage = values[0]
    if type(stage) is not int or stage not in stages:
        raise ValueError(f"Feature: there is no stage {stage!r}; write {stages[0]} to {stages[-1]}")
    return [widths[stages.index(stage)], stages.index(stage)]


def _network(row: Any) -> Arguments | None:
    """Return the arguments of a prepared row that is a network, None for any other row."""
    arguments = arguments_of(row)
    return arguments if arguments is not None and hasattr(arguments.layer, "stage_widths") else None
