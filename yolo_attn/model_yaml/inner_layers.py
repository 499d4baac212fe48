"""How a row names layers inside its block: `C3+EMA`, `C3+CBAM+EMA(8)`, `SPPF+EMA@end`.

A plus sign joins the name of a stock block and the layers, each with its arguments in parentheses and its place behind `@`. That is
an expression of Python, whose parser reads it; nothing is evaluated.
"""

import ast
from dataclasses import dataclass

from yolo_attn.networks.row_arguments import read_layer_call

BOTTLENECKS = "bottlenecks"  # in every bottleneck before its shortcut, the default
END = "end"  # behind the block's last convolution
EXAMPLES = "write it like C3+EMA, C3+EMA(8)@end or C3+CBAM+EMA"


@dataclass(frozen=True)
class InnerCall:
    """A layer inside a block, as a row writes it.

    Attributes:
        call: Name and arguments as a row writes them, `EMA(8)`.
        name: Name of the layer, one of LAYERS.
        arguments: Its hyper-parameters.
        place: BOTTLENECKS or END.
    """

    call: str
    name: str
    arguments: tuple
    place: str

    def __str__(self) -> str:
        return self.call if self.place == BOTTLENECKS else f"{self.call}@{self.place}"


@dataclass(frozen=True)
class Block:
    """The module of a row: a stock block, and the layers inside it in the order in which they run."""

    name: str
    layers: tuple[InnerCall, ...]

    def __str__(self) -> str:
        return "+".join([self.name, *map(str, self.layers)])


def has_layers(module: object) -> bool:
    """Return whether the module of a row is written with layers inside it."""
    return isinstance(module, str) and "+" in module


def stock_name(module: str) -> str:
    """Return the block's own name, `C3` of `C3+EMA`, however the layers behind it are written."""
    return module.partition("+")[0].strip()


def read(module: str) -> Block:
    """Read the module of a row with layers inside it.

    Raises:
        ValueError: It is written otherwise, or names an unknown layer or place.
    """
    try:
        node: ast.expr = ast.parse(module.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        cut = "; a text with a comma needs quotes in YAML" if module.count("(") > module.count(")") else ""
        raise ValueError(f"{module!r} is no block with layers inside; {EXAMPLES}{cut}") from None
    terms: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms.insert(0, node.right)
        node = node.left
    if not terms or not isinstance(node, ast.Name | ast.Attribute):
        raise ValueError(f"{module!r} is no block with layers inside; {EXAMPLES}")
    name = ast.unparse(node)
    return Block(name, tuple(_layer(name, term) for term in terms))


def _layer(block: str, term: ast.expr) -> InnerCall:
    """Read `EMA(8)` or `EMA(8)@end`."""
    place = BOTTLENECKS
    if isinstance(term, ast.BinOp) and isinstance(term.op, ast.MatMult):
        place = ast.unparse(term.right)
        term = term.left
    call = ast.unparse(term)
    layer, arguments = read_layer_call(call)
    if place not in (BOTTLENECKS, END):
        raise ValueError(
            f"there is no place {place!r} inside a block; write {block}+{call} for every bottleneck, {block}+{call}@end for the block's end"
        )
    return InnerCall(call, layer.__name__, tuple(arguments), place)
