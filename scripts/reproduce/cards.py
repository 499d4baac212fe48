"""A card for each layer of LAYERS as Markdown, from its docstrings, its signature and the layer itself."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass

import torch
from torch import nn

from yolo_attn.experiment.complexity import Complexity, complexity
from yolo_attn.layers import LAYERS

WIDTH, SIDE = 256, 40  # of the map that the costs are for
AUTHORS = "Authors' code:"  # what a paragraph of a class docstring begins with that tells paper and code apart
# Parameters as Python: an expression in C and the layer's arguments, then what its letters stand for. A layer without an
# entry has its counts at two widths instead.
FORMULAS = {
    "BAM": "3 * C * m + C + 18 * m**2 + 13 * m + 1; m = C // reduction",
    "CA": "3 * C * m + 3 * m + 2 * C; m = max(8, C // reduction)",
    "CBAM": "2 * C * m + 2 * kernel_size**2 + authors_code * (C + m + 2); m = C // reduction",
    "DMSA": "34 * (C // 2)**2 + 5 * k**2 + 5 * k + 2; k = C // (2 * groups)",
    "ECA": "kernel_size or int(abs((log2(C) + bias) / gamma)) | 1",
    "EMA": "10 * k**2 + 4 * k; k = C // factor",
    "EMANoCross": "10 * k**2 + 4 * k; k = C // factor",
    "EMCA": "R * (R > 1) + {'se': 2 * C * m, 'eca': k, 'srm': 4 * C}[excitation];"
    " m = C // reduction; k = int(abs((log2(C) + 1) / 2)) | 1; R = number of sources",
    "EPSA": "423 * C * k // 16 + 2 * k * m + k + m; k = C // 4; m = k // reduction",
    "FCA": "2 * C * m; m = C // reduction",
    "GAM": "by_channel * (2 * C * m + m + C) + by_pixel * (98 * C * m // groups + 2 * m); m = C // reduction",
    "GC": "2 * C * m + 2 * C + 3 * m + 1; m = C // reduction",
    "NAM": "2 * C",
    "PointwiseControl": "m**2; m = min(C, max(1, round(sqrt(P)))); P = parameters of the layer",
    "ReZero": "P + 1; P = parameters of the layer",
    "SA": "6 * k; k = C // (2 * groups)",
    "SE": "2 * C * m; m = C // reduction",
    "SGE": "2 * groups",
    "SRM": "4 * C",
    "TripletAttention": "3 * (2 * kernel_size**2 + 2)",
}
GIVEN = {"R": "number of sources", "P": "parameters of the layer"}  # letters that no formula can compute
FUNCTIONS = {name: getattr(math, name) for name in ("log2", "sqrt")} | {
    function.__name__: function for function in (abs, int, max, min, round)
}
NOTE = f"""Of each layer: the paper, what it computes, its arguments, its parameters, a row of a model YAML with the
defaults, and its cost on one map of {WIDTH} x {SIDE} x {SIDE}. All of it is generated from the code.

A formula of parameters is Python, in C and the arguments of the layer; the tests hold it against the built layer at several
widths and arguments. Multiply-adds are half of what torch's `FlopCounterMode` counts: convolutions and matrix products as
they are dispatched, on the meta device in evaluation mode. Element-wise work, pooling, normalisation and softmax are not in it, so
a layer of 0 multiply-adds still takes time: [what each layer costs](results/cost.md)."""


@dataclass(frozen=True)
class Described:
    """The parts of a class docstring.

    Attributes:
        map: Its first sentence: input to output.
        notes: What else it says, outside of the sections.
        authors: How the authors' code differs from their paper and which is followed; empty if nothing is recorded.
        arguments: {argument: meaning}.
        source: Where in the paper it is defined; empty where the docstring does not say.
    """

    map: str
    notes: tuple[str, ...]
    authors: str
    arguments: dict[str, str]
    source: str


def described(layer: type[nn.Module]) -> Described:
    """A class -> the parts of its docstring, written as docs call it: map, notes, Args, Raises, Source."""
    first, *others = inspect.getdoc(layer).split("\n\n")
    tensors, _, rest = first.replace("\n", " ").removesuffix(".").partition(". ")
    named = {key: _one(others, f"{key}:") for key in ("Args", "Raises", "Source")}
    authors = _one(others, AUTHORS)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", named["Args"], re.MULTILINE)
    notes = [part for part in others if part not in (*named.values(), authors)]
    return Described(
        tensors,
        (*([f"{rest}."] if rest else []), *notes),
        authors.removeprefix(AUTHORS).strip(),
        {name: re.sub(r"\s+", " ", meaning) for name, meaning in entries},
        named["Source"].removeprefix("Source:").strip(),
    )


def _one(parts: list[str], start: str) -> str:
    return next((part for part in parts if part.startswith(start)), "")


def defaults(layer: type[nn.Module]) -> dict:
    """{argument: default} of what a YAML row may give; of several further arguments `*`."""
    parameters = list(inspect.signature(layer).parameters.values())[1:]  # the first are the channels
    return {each.name: "*" if each.kind is each.VAR_POSITIONAL else each.default for each in parameters}


def predicted(name: str, channels: int, sources: int = 1, **arguments) -> int:
    """The parameters that the formula of a layer gives.

    Args:
        name: One of FORMULAS.
        channels: C.
        sources: R, number of maps that the layer reads.
        arguments: Of the layer; by default its own.
    """
    values = {**defaults(LAYERS[name]), **arguments, "C": channels, "R": sources}
    if "layer" in values:
        values["P"] = _count(LAYERS[values["layer"]], channels)
    formula, *letters = FORMULAS[name].split("; ")
    for letter, expression in (definition.split(" = ", 1) for definition in letters):
        if letter not in GIVEN:
            values[letter] = eval(expression, {"__builtins__": FUNCTIONS}, values)
    return eval(formula, {"__builtins__": FUNCTIONS}, values)


def yaml_row(name: str) -> str:
    """A row of a model YAML with the layer and its defaults."""
    written = ", ".join(str(value) for value in defaults(LAYERS[name]).values() if value != "*")
    return f"- [{'[-1, 0]' if _several(LAYERS[name]) else '-1'}, 1, {name}, [{written}]]"


def cost(name: str) -> Complexity:
    """What a layer costs with its defaults on a map of WIDTH x SIDE x SIDE; one of several sources reads two such maps."""
    layer = LAYERS[name]
    with torch.device("meta"):
        built = _Twice(layer([WIDTH, WIDTH])) if _several(layer) else layer(WIDTH)
    return complexity(built, SIDE, WIDTH)


class _Twice(nn.Module):
    """x -> a layer of several sources on x and x."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer([x, x])


def page() -> str:
    """All cards behind a table of the costs."""
    costs = {name: cost(name) for name in LAYERS}
    rows = [
        f"| [{name}](#{name.lower()}) | {found.parameters:,} | {_multiply_adds(found):,} | {_cell(_formula(name))} |"
        for name, found in costs.items()
    ]
    heading = ["| layer | parameters | multiply-adds | parameters by formula |", "|---|---:|---:|---|"]
    return "\n".join([NOTE, "", *heading, *rows, "", *(card(name) for name in LAYERS)])


def card(name: str) -> str:
    """One layer as a section of Markdown."""
    layer, found = LAYERS[name], cost(name)
    paper, *about = inspect.getdoc(inspect.getmodule(layer)).split("\n\n")
    parts = described(layer)
    table = [
        f"| {argument} | {'any number' if default == '*' else repr(default)} | {_cell(parts.arguments[argument])} |"
        for argument, default in defaults(layer).items()
    ]
    return "\n\n".join(
        [
            f"## {name}",
            paper,
            *about,
            f"`{parts.map}`",
            *parts.notes,
            f"**{AUTHORS}** {parts.authors or 'no difference from the paper is recorded.'}",
            *([f"Defined in: {parts.source}"] if parts.source else []),
            "\n".join(
                [
                    "| argument | default | meaning |\n|---|---|---|",
                    f"| channels | by the row's source | {_cell(parts.arguments['channels'])} |",
                    *table,
                ]
            ),
            f"Parameters: {_formula(name)}",
            f"```yaml\n{yaml_row(name)}\n```",
            f"On {WIDTH} x {SIDE} x {SIDE}{' (two such maps)' if _several(layer) else ''}, with the defaults:"
            f" {found.parameters:,} parameters, {_multiply_adds(found):,} multiply-adds.\n",
        ]
    )


def _formula(name: str) -> str:
    if name not in FORMULAS:
        return (
            " and ".join(f"{_count(LAYERS[name], width):,} at {width} channels" for width in (128, 256)) + ", counted"
        )
    formula, *letters = FORMULAS[name].split("; ")
    return f"`{formula}`" + (f", where {', '.join(f'`{letter}`' for letter in letters)}" if letters else "")


def _count(layer: type[nn.Module], channels: int) -> int:
    with torch.device("meta"):
        built = layer([channels] if _several(layer) else channels)
    return sum(parameter.numel() for parameter in built.parameters())


def _multiply_adds(found: Complexity) -> int:
    return round(found.gflops * 1e9) // 2


def _several(layer: type[nn.Module]) -> bool:
    return getattr(layer, "multi_source", False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
