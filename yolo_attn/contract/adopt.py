"""Check a class of anybody's against the promises of a layer, and measure what it costs."""

import importlib
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from yolo_attn import layer_files
from yolo_attn.contract.cost import Cost, Start, costs, known_layers, start
from yolo_attn.contract.promises import Verdict, first_line, verdicts
from yolo_attn.layers import is_multi_source
from yolo_attn.plugin.arguments import fitted
from yolo_attn.plugin.offered_layers import find_layer
from yolo_attn.plugin.row_preparation import literal

PLACE = re.compile(r"(?P<home>.+\.py|[\w.]+):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Adoption:
    """What was found out about a class.

    Attributes:
        name: Its name.
        channels: Of the maps that it was tried on.
        verdicts: A verdict for each promise.
        start: What it does before training; None if it does not run.
        costs: Its cost, and that of known layers beside it; empty if it does not run.
    """

    name: str
    channels: int
    verdicts: tuple[Verdict, ...]
    start: Start | None
    costs: dict[str, Cost]

    @property
    def kept(self) -> bool:
        """Whether every promise is kept."""
        return all(verdict.kept for verdict in self.verdicts)


def adopt(place: str, channels: int = 128, arguments: Sequence = ()) -> Adoption:
    """Check a class of layers. The file or package that defines it is executed.

    Args:
        place: `my_layers.py:MyAttention`, `package.module:MyAttention`, or a name that model YAMLs may write.
        channels: Of the maps that it is tried on.
        arguments: What a row would give after the channels; a text that Python reads as a value, such as "8", is that value.

    Raises:
        ValueError: There is no such class, it is no layer that a row can build, or its constructor refuses the arguments.
        FileNotFoundError: There is no such file.
    """
    layer_class = _read(place)
    if is_multi_source(layer_class):
        raise ValueError(f"{place}: reads several feature maps; adopt checks layers of one")
    try:
        layer = layer_class(channels, *fitted(layer_class, [literal(value) for value in arguments]))
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{place}: cannot be built with {channels} channels ({first_line(error)})") from error
    checked = tuple(verdicts(layer, channels))
    if not checked[0].kept:  # nothing can be timed that does not run
        return Adoption(layer_class.__name__, channels, checked, None, {})
    beside = {layer_class.__name__: layer} | dict(known_layers(channels))
    return Adoption(layer_class.__name__, channels, checked, start(layer, channels), costs(beside, channels))


def _read(place: str) -> type[nn.Module]:
    written = PLACE.fullmatch(place)
    if written is None:
        layer = find_layer(place)
        if layer is None:
            raise ValueError(
                f"{place}: no layer has this name; write my_layers.py:MyAttention, or package.module:MyAttention"
            )
        return layer
    home, name = written["home"], written["name"]
    if home.endswith(".py"):
        module = layer_files.load(Path(home))
    else:
        try:
            module = importlib.import_module(home)
        except ImportError as error:
            raise ValueError(f"{place}: {home} cannot be imported ({error})") from error
    layer = getattr(module, name, None)
    if not (inspect.isclass(layer) and issubclass(layer, nn.Module)):
        classes = [n for n, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, nn.Module)]
        raise ValueError(f"{place}: {home} has no layer {name}; it has {', '.join(classes) or 'none'}")
    return layer
