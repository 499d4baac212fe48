"""The control of an ablation: the same model with a plain 1x1 convolution of as many parameters in place of each attention layer."""

from yolo_attn.layers import LAYERS, is_multi_source
from yolo_attn.layers.pointwise_control import PointwiseControl
from yolo_attn.model_yaml.rows import Row, parse

NAME = PointwiseControl.__name__


def control(text: str) -> str:
    """A model YAML -> the one in which each row of our layers is a `PointwiseControl` of the same sources.

    `[-1, 1, EMA, [32]]` becomes `[-1, 1, PointwiseControl, [EMA, 32]]`, which counts EMA's parameters at its width.

    Raises:
        ValueError: The model has none of our layers, or one that a single convolution cannot stand for.
    """
    rows = _attention_rows(text)
    if not rows:
        raise ValueError("there is no attention layer in this model, so it has no control")
    for row in reversed(rows):
        layer = LAYERS[row.module]
        if is_multi_source(layer) or hasattr(layer, "out_channels"):
            raise ValueError(
                f"row {row.index}: {row.module} joins several rows or changes the width; it has no control"
            )
        (name_start, name_end), (args_start, args_end) = row.at.module, row.at.args
        args = ", ".join([row.module, *(text[start:end] for start, end in row.at.each_arg)])
        text = f"{text[:name_start]}{NAME}{text[name_end:args_start]}[{args}]{text[args_end:]}"
    return text


def has_attention(text: str) -> bool:
    """Whether a model YAML has a row that `control` replaces."""
    return bool(_attention_rows(text))


def _attention_rows(text: str) -> list[Row]:
    return [row for row in parse(text) if row.module in LAYERS and row.module != NAME]
