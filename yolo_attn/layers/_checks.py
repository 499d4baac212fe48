"""Checks of constructor arguments that several layers share, each rule once.

Every check raises ValueError with one sentence: the layer, what was found, the rule, the way out (`advice`).
"""

from collections.abc import Iterable
from typing import NoReturn

from torch import nn


def check_positive(layer: nn.Module, advice: str = "give the width of the feature map", /, **arguments: int) -> None:
    if min(arguments.values()) < 1:
        _refuse(layer, f"{_joined(arguments)} must be 1 or more, found {_joined(arguments.values())}; {advice}")


def check_odd(layer: nn.Module, kernel_size: int, advice: str = "the paper's is 7") -> None:
    if kernel_size < 1 or kernel_size % 2 == 0:
        _refuse(layer, f"kernel_size must be odd and positive, found {kernel_size}; {advice}")


def check_choice(layer: nn.Module, argument: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        _refuse(layer, f"there is no {argument} {value!r}; write {', '.join(choices)}")


def bottleneck_width(layer: nn.Module, channels: int, reduction: int, advice: str = ", usually 16") -> int:
    """channels // reduction; refuse a reduction outside 1 to channels."""
    if not 1 <= reduction <= channels:
        rule = f"it must be from 1 to {channels}{advice}"
        _refuse(layer, f"reduction {reduction} leaves no bottleneck in {channels} channels; {rule}")
    return channels // reduction


def group_width(layer: nn.Module, channels: int, groups: int, noun: str = "number", halves: bool = False) -> int:
    """Channels of each group, or of each half of a group; refuse what does not split. The layer calls `groups` its `noun`."""
    parts = 2 if halves else 1
    if channels % (groups * parts):
        fitting = [n for n in range(1, channels // parts + 1) if channels % (n * parts) == 0]
        nearest = [*[n for n in fitting if n < groups][-1:], *[n for n in fitting if n > groups][:1]]
        fault = f"cannot be split into {groups} groups{' of two halves' if halves else ''}"
        _refuse_width(layer, channels, fault, nearest, noun)
    return channels // (groups * parts)


def check_multiple(layer: nn.Module, channels: int, step: int, fault: str) -> None:
    """Refuse channels that are no positive multiple of step."""
    if channels < 1 or channels % step:
        below = channels // step * step
        _refuse_width(layer, channels, fault, [width for width in (below, below + step) if width > 0], "width")


def single_source_layer(holder: nn.Module, name: str) -> type[nn.Module]:
    """Return the class of that name in LAYERS; refuse one that reads several feature maps, and the class of `holder` itself."""
    from yolo_attn.layers import LAYERS, is_multi_source  # not at the top: the table imports every layer

    known = {key: layer for key, layer in LAYERS.items() if not is_multi_source(layer) and layer is not type(holder)}
    if name not in known:
        message = f"there is no layer {name!r} that reads a single feature map; known are {', '.join(known)}"
        raise ValueError(f"{type(holder).__name__}: {message}")
    return known[name]


def _refuse_width(layer: nn.Module, channels: int, fault: str, nearest: list[int], noun: str) -> NoReturn:
    rule = f"{noun}s that fit are" if len(nearest) > 1 else f"{noun} that fits is"
    _refuse(layer, f"{channels} channels {fault}; the nearest {rule} {_joined(nearest)}")


def _refuse(layer: nn.Module, sentence: str) -> NoReturn:
    raise ValueError(f"{type(layer).__name__}: {sentence}.")


def _joined(values: Iterable[object]) -> str:
    """[a, b, c] -> "a, b and c"."""
    *others, last = map(str, values)
    return f"{', '.join(others)} and {last}" if others else last
