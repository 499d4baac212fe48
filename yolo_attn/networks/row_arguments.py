"""Arguments of a network's row: a layer written as a call, `EMA(32)`, and words out of a list."""

import ast
from collections.abc import Collection

from torch import nn

from yolo_attn.layers import LAYERS


def read_layer_call(text: str) -> tuple[type[nn.Module], list]:
    """Return the class and the arguments that a text such as `EMA`, `EMA(8)`, `EMCA(srm)` or `CBAM(16, 7, True)` names.

    Raises:
        ValueError: The text is no such call, or there is no such layer.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        arguments = [_value(node) for node in call.args] if isinstance(call, ast.Call) else []
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        call, arguments = None, []
    called = call.func if isinstance(call, ast.Call) else call
    if not isinstance(called, ast.Name) or getattr(call, "keywords", []):
        cut = "; a text with a comma needs quotes in YAML" if text.count("(") > text.count(")") else ""
        raise ValueError(
            f"{text!r} names no layer; write it like EMA, EMA(8) or EMCA(srm), with plain values by position{cut}"
        )
    if called.id not in LAYERS:
        raise ValueError(f"there is no layer {called.id!r}; known are {', '.join(LAYERS)}")
    return LAYERS[called.id], arguments


def _value(node: ast.expr) -> object:
    """Return a plain value; a bare word is a text."""
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def check_choices(network: str, **choices: tuple[object, Collection]) -> None:
    """Refuse an argument that is not among the known ones; `choices` is {parameter: (argument, known ones)}."""
    for name, (argument, known) in choices.items():
        if argument not in known:
            raise ValueError(f"{network}: there is no {name} {argument!r}; write {', '.join(map(str, known))}")
