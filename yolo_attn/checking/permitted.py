"""What a model YAML may name. Ultralytics calls whatever a row names and evaluates `activation` as Python.

A file from a stranger must not get that far: only classes of layers are built, and only with numbers of a sane size.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

import torchvision
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.checking import Finding
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.inner_layers import has_layers, read
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.model_yaml.rows import Row
from yolo_attn.networks import ROW_NAMES
from yolo_attn.plugin.offered_layers import find_layer

HOMES = ("ultralytics.nn.modules.", "torch.nn.", "torchvision.ops.")
HOMES_BY_PREFIX = {"": tasks, "nn": nn, "torchvision.ops": torchvision.ops}  # as Ultralytics' parser looks names up
LARGEST_NUMBER = 100_000  # of channels, classes, repeats; what is far above never ends building
MOST_REPEATS = 1_000
NO_LITERAL = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)  # what `ast.literal_eval` raises


def forbidden(model: Mapping, rows: Sequence[Row]) -> Iterator[Finding]:
    """What the checker refuses to build, found without calling anything that the file names."""
    if (activation := model.get("activation")) and not _is_activation(activation):
        rule = "write a class of torch.nn with plain arguments, such as nn.ReLU() or nn.LeakyReLU(0.1)"
        yield Finding("error", None, f"activation {str(activation)[:60]!r} is not evaluated; {rule}")
    for row in rows:
        if message := _forbidden_layers(row) or _forbidden_name(row.block) or _forbidden_size(row, row.args):
            yield Finding("error", row.index, message)


def _is_activation(value: object) -> bool:
    """Return whether a text is `nn.X(...)` or `torch.nn.X(...)`, X a class of layers, with literals as arguments."""
    try:
        call = ast.parse(value.strip(), mode="eval").body if isinstance(value, str) else None
        if not isinstance(call, ast.Call):
            return False
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            ast.literal_eval(argument)
        home, _, name = ast.unparse(call.func).rpartition(".")
    except NO_LITERAL:
        return False
    return home in ("nn", "torch.nn") and _is_layer(getattr(nn, name, None))


def _forbidden_name(name: str) -> str:
    """Why a row may not name this module; empty if it may."""
    if name in ROW_NAMES:
        return ""
    home, _, last = name.rpartition(".")
    try:
        module = getattr(HOMES_BY_PREFIX.get(home), last, None) or find_layer(name)
    except (ValueError, OSError) as error:  # of a package that offers a layer of this name
        return str(error)
    if module is None:
        return f"there is no layer {name}{suggestion(name)}"
    if not _is_layer(module):
        return f"{name} is no layer: a row names a class of torch.nn, torchvision.ops, Ultralytics or yolo_attn"
    return ""


def _forbidden_layers(row: Row) -> str:
    """Why the layers inside a row's block may not be built; empty if they may, and where there are none."""
    try:
        layers = read(row.module).layers if has_layers(row.module) else ()
    except ValueError as error:
        return str(error)
    return _forbidden_size(row, [layer.arguments for layer in layers])


def _forbidden_size(row: Row, arguments: list) -> str:
    """Why a row would never end building, or would build what is no network; empty if it may be built."""
    if row.repeats > MOST_REPEATS:
        return f"{row.module} is repeated {row.repeats} times; at most {MOST_REPEATS} are"
    if row.block == "TorchVision" and not (len(row.args) > 1 and row.args[1] in torchvision.models.list_models()):
        return "TorchVision names no model of torchvision; write one such as resnet18"
    for number in _numbers(arguments):
        if not abs(number) <= LARGEST_NUMBER:  # so that nan is refused
            return f"{row.module} has an argument {str(number)[:20]}; at most {LARGEST_NUMBER} is built"
    return ""


def _is_layer(value: object) -> bool:
    """Return whether a value is a class of layers. Those of ultralytics.nn.tasks are whole models, which read further files."""
    if not (isinstance(value, type) and issubclass(value, nn.Module)):
        return False
    return value.__module__.startswith(HOMES) or value in LAYERS.values()


def _numbers(value: object) -> Iterator[float]:
    """Every number in the arguments of a row, also within lists and as text, which the parser reads as Python."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except NO_LITERAL:
            return
    if isinstance(value, list | tuple | set | dict):
        for entry in value:
            yield from _numbers(entry)
    elif isinstance(value, int | float):
        yield value
