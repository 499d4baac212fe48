"""What a model YAML may name. Ultralytics calls whatever a row names and evaluates `activation` as Python.

A file from a stranger must not get that far: only classes of layers are built, and only with numbers of a sane size.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torchvision
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.checking.finding import Finding
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.model_yaml.rows import Row
from yolo_attn.networks import ROW_NAMES

HOMES = ("ultralytics.nn.modules.", "torch.nn.", "torchvision.ops.")
LARGEST_NUMBER = 100_000  # of channels, classes, repeats; what is far above never ends building
MOST_REPEATS = 1_000


def forbidden(model: Mapping, rows: Sequence[Row]) -> Iterator[Finding]:
    """What the checker refuses to build, found without calling anything that the file names."""
    if (activation := model.get("activation")) and not is_activation(activation):
        rule = "write a class of torch.nn with plain arguments, such as nn.ReLU() or nn.LeakyReLU(0.1)"
        yield Finding("error", None, f"activation {str(activation)[:60]!r} is not evaluated; {rule}")
    for row in rows:
        if message := _forbidden_name(row.module):
            yield Finding("error", row.index, message)
        elif row.repeats > MOST_REPEATS:
            yield Finding(
                "error", row.index, f"{row.module} is repeated {row.repeats} times; at most {MOST_REPEATS} are"
            )
        elif row.module == "TorchVision" and not _is_torchvision_model(row.args):
            yield Finding("error", row.index, "TorchVision names no model of torchvision; write one such as resnet18")
        elif large := [number for number in _numbers(row.args) if not abs(number) <= LARGEST_NUMBER]:
            yield Finding(
                "error",
                row.index,
                f"{row.module} has an argument {str(large[0])[:20]}; at most {LARGEST_NUMBER} is built",
            )


def is_activation(value: object) -> bool:
    """Whether a text is `nn.X(...)` or `torch.nn.X(...)`, X a class of layers, with literals as arguments."""
    try:
        call = ast.parse(value.strip(), mode="eval").body if isinstance(value, str) else None
        if not isinstance(call, ast.Call):
            return False
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            ast.literal_eval(argument)
        home, _, name = ast.unparse(call.func).rpartition(".")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return home in ("nn", "torch.nn") and _is_layer(getattr(nn, name, None))


def _forbidden_name(name: str) -> str:
    """Why a row may not name this module; empty if it may."""
    if name in ROW_NAMES:
        return ""
    if name.startswith("nn."):
        module = getattr(nn, name.removeprefix("nn."), None)
    elif name.startswith("torchvision.ops."):
        module = getattr(torchvision.ops, name.removeprefix("torchvision.ops."), None)
    else:
        module = getattr(tasks, name, None)
    if module is None:
        return f"there is no layer {name}{suggestion(name)}"
    if not _is_layer(module):
        return f"{name} is no layer: a row names a class of torch.nn, torchvision.ops, Ultralytics or yolo_attn"
    return ""


def _is_layer(value: object) -> bool:
    """Not every module is one: those of ultralytics.nn.tasks are whole models, which read further files."""
    if not (isinstance(value, type) and issubclass(value, nn.Module)):
        return False
    return value.__module__.startswith(HOMES) or value in LAYERS.values()


def _is_torchvision_model(args: Sequence) -> bool:
    return len(args) > 1 and args[1] in torchvision.models.list_models()


def _numbers(values: Iterable) -> Iterator[float]:
    """Every number in the arguments of a row, also within lists and as text, which the parser reads as Python."""
    for value in values:
        if isinstance(value, list | tuple | set | dict):
            yield from _numbers(value)
            continue
        try:
            number = ast.literal_eval(value) if isinstance(value, str) else value
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(number, list | tuple | set | dict):
            yield from _numbers(number)
        elif isinstance(number, int | float):
            yield number
