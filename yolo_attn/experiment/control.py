"""The control of an ablation: the same model with a plain 1x1 convolution of as many parameters in place of each attention layer."""

from yolo_attn.layers import LAYERS
from yolo_attn.layers.pointwise_control import PointwiseControl
from yolo_attn.model_yaml import rows

NAME = PointwiseControl.__name__


def control(text: str) -> str:
    """A model YAML -> the one in which each row of our layers is a `PointwiseControl` of the same sources.

    `[-1, 1, EMA, [32]]` becomes `[-1, 1, PointwiseControl, [EMA, 32]]`, which counts EMA's parameters at its width.

    Raises:
        ValueError: The model has none of our layers, or one that a single convolution cannot stand for.
    """
    lines = text.splitlines(keepends=True)
    ours = [row for row in rows.parse(text) if row.module in LAYERS and row.module != NAME]
    if not ours:
        raise ValueError("there is no attention layer in this model, so it has no control")
    for row in ours:
        if getattr(LAYERS[row.module], "multi_source", False) or hasattr(LAYERS[row.module], "out_channels"):
            raise ValueError(
                f"row {row.index}: {row.module} joins several rows or changes the width; it has no control"
            )
        line = lines[row.line].rstrip("\r\n")
        match = rows.ROW_LINE.fullmatch(line)
        written = ", ".join(map(str, [row.module, *row.args]))
        comment = f" {match['comment']}" if match["comment"] else ""
        changed = f"{match['head']}{match['sources']}, {row.repeats}, {NAME}, [{written}]]{comment}"
        lines[row.line] = lines[row.line].replace(line, changed)
    return "".join(lines)


def has_attention(text: str) -> bool:
    """Whether a model YAML has a row that `control` replaces."""
    return any(row.module in LAYERS and row.module != NAME for row in rows.parse(text))
