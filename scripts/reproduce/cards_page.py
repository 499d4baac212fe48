"""Cards of the layers, from their docstrings, signatures and attributes: python -m scripts.reproduce.cards_page > docs/layers.md"""

from __future__ import annotations

import inspect
import textwrap

import torch
from torch import nn

from scripts import results
from yolo_attn.experiment.complexity import Complexity, complexity
from yolo_attn.layers import LAYERS, is_multi_source

WIDTH, SIDE = 256, 40  # channels, height and width of the feature map that the costs are for
NOTE = f"""# The layers

Written by `python -m scripts.reproduce.cards_page > docs/layers.md`.

Each card gives the paper, the mechanism, the arguments, the number of parameters, a row of a model YAML with the
defaults, and the cost on one feature map of {WIDTH} x {SIDE} x {SIDE}. All of it is generated from the code. Where the authors' code
is known to differ from the paper, the card says so and which of the two is followed.

A formula of parameters is Python, in C and the arguments of the layer; the tests compare it with the built layer at several
widths and arguments. Multiply-adds are half of what torch's `FlopCounterMode` counts: convolutions and matrix products as
they are dispatched, on the meta device in evaluation mode. Element-wise work, pooling, normalisation and softmax are not counted, so
a layer of 0 multiply-adds still takes time: [what each layer costs](results/cost.md)."""


def page() -> str:
    """The page: all cards behind a table of the costs. It depends on the code alone, so a test can compare it."""
    costs = {name: cost(name) for name in LAYERS}
    rows = [
        f"| [{name}](#{name.lower()}) | {size.parameters:,} | {multiply_adds(size):,} | {_cell(_formula(name))} |"
        for name, size in costs.items()
    ]
    heading = ["| layer | parameters | multiply-adds | parameters by formula |", "|---|---:|---:|---|"]
    return "\n".join([NOTE, "", *heading, *rows, "", *(card(name) for name in LAYERS)])


def card(name: str) -> str:
    """One layer as a section of Markdown."""
    layer, size = LAYERS[name], cost(name)
    (tensors, *paragraphs), arguments, source = docstring(layer)
    rows = [f"| channels | by the row's source | {_cell(arguments['channels'])} |"]
    for argument, default in defaults(layer).items():
        shown = "any number" if default is inspect.Parameter.empty else repr(default)
        rows.append(f"| {argument} | {shown} | {_cell(arguments[argument])} |")
    parts = [
        f"## {name}",
        inspect.getdoc(inspect.getmodule(layer)),
        *diagram(name),
        f"`{tensors.removesuffix('.')}`",
        *(paragraph.replace("Authors' code:", "**Authors' code:**") for paragraph in paragraphs),
        *([f"Defined in: {source}"] if source else []),
        "\n".join(["| argument | default | meaning |", "|---|---|---|", *rows]),
        f"Parameters: {_formula(name)}",
        f"```yaml\n{yaml_row(name)}\n```",
        f"On {WIDTH} x {SIDE} x {SIDE}{' (two such feature maps)' if is_multi_source(layer) else ''}, with the defaults: "
        f"{size.parameters:,} parameters, {multiply_adds(size):,} multiply-adds.\n",
    ]
    return "\n\n".join(parts)


def diagram(name: str) -> list[str]:
    """The mechanism as a chart of docs/diagrams/, if there is one."""
    file = results.ROOT / "docs" / "diagrams" / f"{name}.mmd"
    return [f"```mermaid\n{file.read_text(encoding='utf-8')}```"] if file.is_file() else []


def docstring(layer: type[nn.Module]) -> tuple[list[str], dict[str, str], str]:
    """The docstring of a layer -> its paragraphs outside of the sections, {argument: meaning}, what `Source:` says."""
    paragraphs, arguments, source = [], {}, ""
    for block in inspect.getdoc(layer).split("\n\n"):
        if block.startswith("Args:"):
            lines = textwrap.dedent(block.partition("\n")[2]).splitlines()
            entries = "\n".join(lines).replace("\n ", " ").splitlines()  # an indented line continues the one before
            arguments = {name: " ".join(meaning.split()) for name, _, meaning in (e.partition(": ") for e in entries)}
        elif block.startswith("Source:"):
            source = block.removeprefix("Source:").strip()
        elif not block.startswith("Raises:"):
            paragraphs.append(block)
    return paragraphs, arguments, source


def defaults(layer: type[nn.Module]) -> dict[str, object]:
    """{argument: default} of what a YAML row may give; `empty` for an argument that stands for any number of them."""
    return {name: parameter.default for name, parameter in list(inspect.signature(layer).parameters.items())[1:]}


def yaml_row(name: str) -> str:
    """A row of a model YAML with the layer and its defaults."""
    values = [value for value in defaults(LAYERS[name]).values() if value is not inspect.Parameter.empty]
    return f"- [{'[-1, 0]' if is_multi_source(LAYERS[name]) else '-1'}, 1, {name}, [{', '.join(map(str, values))}]]"


def cost(name: str) -> Complexity:
    """The cost of a layer with its defaults on WIDTH x SIDE x SIDE; a layer of several sources reads two such feature maps."""
    layer = LAYERS[name]
    with torch.device("meta"):
        built = _Twice(layer([WIDTH, WIDTH])) if is_multi_source(layer) else layer(WIDTH)
    return complexity(built, SIDE, WIDTH)


def multiply_adds(size: Complexity) -> int:
    """Half of the floating-point operations."""
    return round(size.gflops * 1e9) // 2


class _Twice(nn.Module):
    """x -> a layer of several sources on x and x."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer([x, x])


def _formula(name: str) -> str:
    formula, *letters = LAYERS[name].parameter_formula.split("; ")
    return f"`{formula}`" + (f", where {', '.join(f'`{letter}`' for letter in letters)}" if letters else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
