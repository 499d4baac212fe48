"""The control of an ablation: the same model with a plain 1x1 convolution of as many parameters in place of each attention layer."""

from dataclasses import replace

from yolo_attn.layers import LAYERS, is_multi_source
from yolo_attn.layers.pointwise_control import PointwiseControl
from yolo_attn.model_yaml.inner_layers import Block, InnerCall, has_layers, read
from yolo_attn.model_yaml.inside import with_modules
from yolo_attn.model_yaml.rows import Row, parse

NAME = PointwiseControl.__name__


def control(text: str) -> str:
    """A model YAML -> the one in which each of our layers, in a row or inside a block, is a `PointwiseControl` in the same place.

    `[-1, 1, EMA, [32]]` becomes `[-1, 1, PointwiseControl, [EMA, 32]]`, which counts EMA's parameters at its width, and
    `C3+EMA(8)` becomes `C3+PointwiseControl(EMA, 8)`.

    Raises:
        ValueError: The model has none of our layers, or one that a single convolution cannot stand for.
    """
    if not has_attention(text):
        raise ValueError("there is no attention layer in this model, so it has no control")
    for row in reversed(_attention_rows(text)):
        layer = LAYERS[row.module]
        if is_multi_source(layer) or hasattr(layer, "out_channels"):
            raise ValueError(
                f"row {row.index}: {row.module} joins several rows or changes the width; it has no control"
            )
        (name_start, name_end), (args_start, args_end) = row.at.module, row.at.args
        args = ", ".join([row.module, *(text[start:end] for start, end in row.at.each_arg)])
        text = f"{text[:name_start]}{NAME}{text[name_end:args_start]}[{args}]{text[args_end:]}"
    return with_modules(
        text, {row.index: str(_controlled(read(row.module))) for row in parse(text) if has_layers(row.module)}
    )


def has_attention(text: str) -> bool:
    """Whether a model YAML has a layer that `control` replaces."""
    inner = [layer for row in parse(text) if has_layers(row.module) for layer in read(row.module).layers]
    return bool(_attention_rows(text)) or any(layer.name != NAME for layer in inner)


def _attention_rows(text: str) -> list[Row]:
    return [row for row in parse(text) if row.module in LAYERS and row.module != NAME]


def _controlled(block: Block) -> Block:
    return Block(block.name, tuple(layer if layer.name == NAME else _control(layer) for layer in block.layers))


def _control(layer: InnerCall) -> InnerCall:
    name, _, arguments = layer.call.partition("(")
    given = ", ".join([name, arguments.removesuffix(")")]) if arguments else name
    return replace(layer, name=NAME, call=f"{NAME}({given})")
