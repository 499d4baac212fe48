"""Scales: the letter in a file's name, and which scale a file without a letter has.

Ultralytics reads yolov5s-ema.yaml as yolov5-ema.yaml at scale s; for a name without a letter it takes the first scale of the table.
"""

import re

from yolo_attn.model_yaml import document

SCALED_NAME = re.compile(r"^(yolo(?:e-)?v?\d+)([nslmx])")  # yolov5s-ema.yaml means yolov5-ema.yaml at scale s
GUESSED_LETTER = re.compile(r"yolo(?:e-)?v?\d+([nslmx])")  # Ultralytics looks for it anywhere in a name
NOTE = "# the scale of a name without letter; put here by `yolo-attn insert`, taken out by `yolo-attn strip`"
MERGED = r"<<: \{[A-Za-z0-9_]+: default\}"
ADDED = re.compile(rf"(?m)^[ ]*{MERGED} {re.escape(NOTE)}(?:\r\n|\r|\n)|(?<=\{{){MERGED}, ")


def scale_of(name: str) -> str | None:
    """The scale that Ultralytics reads from a file's name: yolov5s-ema.yaml -> s, my.yaml -> None."""
    letter = GUESSED_LETTER.search(name)
    return letter and letter[1]


def with_default_scale(text: str, scale: str) -> str:
    """The model with `scale` as its default. A model without a table of scales has one size only and stays as it is.

    A merge key, `<<: {s: default}`, puts s first; the values of s are those of its own line, which no edit moves.

    Raises:
        ValueError: The table has no such scale, or is written in a way that cannot be edited.
    """
    text = without_default_scale(text)
    data, nodes = document.load(text)
    scales, node = data.get("scales"), nodes.get("scales")
    if not scales or not node:
        return text
    if not isinstance(scales, dict) or scale not in scales:
        raise ValueError(f"there is no scale {scale!r} in this model's scales: {', '.join(map(str, scales))}")
    if next(iter(scales)) == scale:
        return text
    merged = f"<<: {{{scale}: default}}"
    if node.flow_style:
        position, added = node.start_mark.index + 1, f"{merged}, "
    else:
        key = node.value[0][0].start_mark
        position = key.index - key.column
        newline = "\r\n" if text[:position].endswith("\r\n") else "\n"
        added = f"{' ' * key.column}{merged} {NOTE}{newline}"
    changed = text[:position] + added + text[position:]
    if not _is_default(changed, scale) or without_default_scale(changed) != text:
        raise ValueError("the table of scales is written in a way that cannot be edited; write one scale a line")
    return changed


def without_default_scale(text: str) -> str:
    """The inverse of `with_default_scale`; every other text stays as it is."""
    return ADDED.sub("", text)


def _is_default(text: str, scale: str) -> bool:
    try:
        scales = document.load(text)[0]["scales"]
    except (ValueError, KeyError):
        return False
    return next(iter(scales)) == scale and scales[scale] != "default"
