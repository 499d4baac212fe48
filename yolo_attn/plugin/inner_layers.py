"""Rows with layers inside their block, `[-1, 3, C3+EMA(8), [256]]`, as Ultralytics' parser can build them: `[-1, 3, C3, [256]]`."""

import re
from dataclasses import dataclass
from typing import Any

from torch import nn
from ultralytics.nn import tasks

from yolo_attn import networks
from yolo_attn.layers import LAYERS, is_multi_source
from yolo_attn.model_yaml.inner_layers import InnerCall, has_layers, read
from yolo_attn.plugin.offered_layers import find_layer
from yolo_attn.plugin.row_preparation import fitted_arguments


@dataclass(frozen=True)
class InnerLayer:
    """A layer that is to stand inside a block.

    Attributes:
        kind: Its class.
        arguments: Its hyper-parameters, checked.
        place: BOTTLENECKS or END.
        call: How the row writes it, for messages.
    """

    kind: type[nn.Module]
    arguments: tuple
    place: str
    call: str

    def build(self, channels: int) -> nn.Module:
        """Return the layer for a feature map of so many channels."""
        return self.kind(channels, *self.arguments)

    @property
    def row_of_its_own(self) -> str:
        """What to write where the layer cannot stand inside."""
        return f"put the layer in a row of its own, `- [-1, 1, {self.kind.__name__}, {list(self.arguments)}]`"


def without_inner_layers(row: Any) -> tuple[Any, tuple[InnerLayer, ...]]:
    """Return a row with its block's own name, and the layers that are to stand inside; a row without any as it is.

    Raises:
        ValueError: The row is not written as it should be, or a layer cannot stand inside its block.
    """
    entries = row if isinstance(row, list | tuple) else [row]
    written = next((entry for entry in entries if has_layers(entry)), None)
    if written is None:
        return row, ()
    if len(entries) != 4 or entries[2] is not written:
        cut = (
            "; arguments with a comma need quotes, `'C3+CBAM(16, 7)'`"
            if written.count("(") > written.count(")")
            else ""
        )
        raise ValueError(f"{written}: a row is a list of four, [from, number, module, arguments]{cut}")
    for name in re.findall(r"[A-Za-z_]\w*", written):
        find_layer(name)  # registers those that a package or YOLO_ATTN_LAYERS offers
    block = read(written)
    layers = tuple(map(_inner_layer, block.layers))
    _check_is_stock(block.name, layers[0])
    return [entries[0], entries[1], block.name, entries[3]], layers


def _inner_layer(call: InnerCall) -> InnerLayer:
    kind = LAYERS[call.name]
    if is_multi_source(kind):
        raise ValueError(
            f"{call.name} reads several rows; inside a block there is one feature map, write a layer that reads one"
        )
    return InnerLayer(kind, tuple(fitted_arguments(kind, list(call.arguments))), call.place, call.call)


def _check_is_stock(name: str, layer: InnerLayer) -> None:
    """Refuse a module of this package as the block, and one that does not exist."""
    if name in LAYERS:
        raise ValueError(f"{name} is a layer and no block; {layer.row_of_its_own}")
    if name in networks.ROW_NAMES:
        takes_layer = name != networks.FEATURE and hasattr(networks.load(name), "stage_widths")
        way_out = f"write {layer.call} among its arguments" if takes_layer else layer.row_of_its_own
        raise ValueError(f"{name} has no place for a layer inside; {way_out}")
    if "." not in name and not hasattr(tasks, name):
        raise ValueError(f"there is no block {name}; write one of Ultralytics', such as C3 or C2f")
