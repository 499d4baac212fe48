"""Put layers into a model YAML and take them out again, with every reference to a later row kept right.

The text is edited where the numbers stand, so that the rest of a file stays as its author wrote it.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml

from yolo_attn.layers import LAYERS

SCALED_NAME = re.compile(r"^(yolo(?:e-)?v?\d+)([nslmx])")  # yolov5s-ema.yaml means yolov5-ema.yaml at scale s
POOLING = ("SPPF", "SPP", "SPPELAN")
AFTER_STAGES = (*POOLING, "PSA", "C2PSA", "C2fPSA")  # what a backbone may have behind its last stage of convolutions
ROW_LINE = re.compile(r"(?P<head>\s*-\s*\[\s*)(?P<sources>-?\d+|\[[^\]]*\])(?P<rest>[^#]*)(?P<comment>#.*)?")
# "# 9", "# 3-P3/8", "# 17 (P3/8-small)", "# F4 (15), pan_blocks" name their row; "# cat head P4" and "# 5 stages" do not.
ROW_NUMBER = re.compile(r"(?<=^#)\s?\d+(?=\s*$|\s*[-(,]|\s+input_proj)|(?<=\()\d+(?=\))")


@dataclass(frozen=True)
class Row:
    """One row of a model YAML.

    Attributes:
        index: Position, counted from 0 over backbone and head together.
        written: Its sources as written: one index or a list, negative ones counted back from this row.
        repeats: How often the module is repeated, before the depth of the scale.
        module: Name of the module.
        args: Its arguments as written.
        section: "backbone" or "head".
        line: Number of its line in the text, from 0.
    """

    index: int
    written: int | list[int]
    repeats: int
    module: str
    args: list
    section: str
    line: int

    @property
    def references(self) -> list[int]:
        """Its sources as written, as a list where there is one."""
        return self.written if isinstance(self.written, list) else [self.written]

    @property
    def sources(self) -> list[int]:
        """Indices of the rows it reads, from 0; negative: the image."""
        return [source if source >= 0 else self.index + source for source in self.references]


def parse(text: str) -> list[Row]:
    """The rows of a model YAML.

    Raises:
        ValueError: The text is no model YAML, or one of its rows is not `- [from, number, module, arguments]` on one line.
    """
    try:
        model, root = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"not a YAML file: {error}") from error
    if not isinstance(model, dict) or not all(isinstance(model.get(part), list) for part in ("backbone", "head")):
        raise ValueError("not a model YAML: it needs a list named backbone and a list named head")
    rows, lines = [], text.splitlines()
    for name, section in root.value:
        if name.value not in ("backbone", "head"):
            continue
        for node, values in zip(section.value, model[name.value], strict=True):
            line = node.start_mark.line
            one_line = node.end_mark.line == line and ROW_LINE.fullmatch(lines[line])
            if not (isinstance(values, list) and len(values) == 4 and one_line):
                raise ValueError(
                    f"line {line + 1}: a row is written `- [from, number, module, arguments]`; found {lines[line].strip()}"
                )
            rows.append(Row(len(rows), *values, section=name.value, line=line))
    return rows


def suggestion(name: str) -> str:
    """How an error about an unknown layer name ends, if one of ours is close to it."""
    ours = {known.upper(): known for known in LAYERS}
    close = difflib.get_close_matches(name.upper(), ours, n=1)
    return f"; did you mean {ours[close[0]]}?" if close else ""


def places(text: str, role: str | int) -> list[int]:
    """The rows behind which a layer goes.

    Args:
        text: A model YAML.
        role: `backbone-end` (the last stage, before any pooling pyramid), `sppf` (the pooling pyramid), `stages` (each level of the
            backbone that the neck uses), `neck` (each map that enters the head), or the index of a row.

    Raises:
        ValueError: The model has no row of that role.
    """
    rows = parse(text)
    backbone = [row for row in rows if row.section == "backbone"]
    if str(role).isdigit():
        found = [int(role)] if int(role) < len(rows) - 1 else []
    elif role == "backbone-end":
        found = [row.index for row in backbone if row.module not in AFTER_STAGES][-1:]
    elif role == "sppf":
        found = [row.index for row in rows if row.module in POOLING]
    elif role == "stages":
        read = {source for row in rows if row.section == "head" for source in row.sources}
        found = [row.index for row in backbone if row.index in read]
    elif role == "neck":
        found = sorted(set(rows[-1].sources))
    else:
        raise ValueError(f"no place {role!r}; write backbone-end, sppf, stages, neck, or the index of a row")
    if not found:
        raise ValueError(f"this model has no {role}: its rows are 0 to {len(rows) - 1}, the last of which is the head")
    return found


def insert(text: str, after: int, layer: str, args: Sequence = ()) -> str:
    """The model with one more row. What read row `after` reads the new row instead, which reads row `after`.

    Args:
        text: A model YAML.
        after: Index of the row whose output the layer gets; not the last row, which is the head.
        layer: Name of the layer.
        args: Its hyper-parameters.

    Raises:
        ValueError: There is no such row, or it is the last.
    """
    rows = parse(text)
    if not 0 <= after < len(rows) - 1:
        raise ValueError(
            f"row {after} cannot be followed by a layer; write 0 to {len(rows) - 2}, the last row is the head"
        )
    new = after + 1
    lines = _renumbered(
        text,
        rows,
        index=lambda row: row + (row > after),
        source=lambda row: new if row == after else row + (row > after),
    )
    line = lines[rows[after].line]
    indent = line[: line.index("-")]
    written = ", ".join(str(value) for value in args)
    lines.insert(rows[after].line + 1, f"{indent}- [-1, 1, {layer}, [{written}]] # {new}\n")
    return "".join(lines)


def insert_all(text: str, layers: Sequence[str], at: Sequence[str | int]) -> str:
    """The model with each layer at each place, in the order given.

    Args:
        text: A model YAML.
        layers: Names with arguments behind a colon: `EMA`, `EMA:8`, `CBAM:16,7`.
        at: Roles or indices as for `places`, of the model as it is in `text`.

    Raises:
        ValueError: A layer is unknown, or the model has no such place.
    """
    chosen = []
    for layer in layers:
        name, _, args = layer.partition(":")
        if name not in LAYERS:
            raise ValueError(f"there is no layer {name}{suggestion(name) or '; known are ' + ', '.join(LAYERS)}")
        chosen.append((name, [part.strip() for part in args.split(",") if part.strip()]))
    for after in sorted({row for role in at for row in places(text, role)}, reverse=True):
        for name, args in reversed(chosen):
            text = insert(text, after, name, args)
    return text


def strip(text: str) -> str:
    """The model without rows of our layers: what read one reads its source. The inverse of `insert`."""
    for row in reversed(parse(text)):
        if row.module in LAYERS:
            text = _without(text, row.index)
    return text


def _without(text: str, index: int) -> str:
    rows = parse(text)
    before = rows[index].sources[0]
    lines = _renumbered(
        text,
        rows,
        index=lambda row: row - (row > index),
        source=lambda row: before if row == index else row - (row > index),
    )
    del lines[rows[index].line]
    return "".join(lines)


def _renumbered(text: str, rows: list[Row], index: Callable[[int], int], source: Callable[[int], int]) -> list[str]:
    """The lines of the text with each row moved to `index(row)` and each reference to a row led to `source(row)`."""
    lines = text.splitlines(keepends=True)
    for row in rows:
        moved = index(row.index)
        numbers = iter(
            # The image stays -1 from the first row; a reference that counts back goes on counting back.
            entry if old < 0 else source(old) if entry >= 0 else source(old) - moved
            for entry, old in zip(row.references, row.sources, strict=True)
        )
        match = ROW_LINE.match(lines[row.line])
        sources = re.sub(r"-?\d+", lambda _, numbers=numbers: str(next(numbers)), match["sources"])
        comment = ROW_NUMBER.sub(
            lambda number, moved=moved: re.sub(r"\d+", str(moved), number[0]), match["comment"] or "", count=1
        )
        lines[row.line] = match["head"] + sources + match["rest"] + comment + lines[row.line][match.end() :]
    return lines


def with_default_scale(text: str, scale: str) -> str:
    """The model with `scale` first in its table of scales, which is the one that Ultralytics takes for a name without letter."""
    lines = text.splitlines(keepends=True)
    table = next((number for number, line in enumerate(lines) if line.startswith("scales:")), None)
    own = table and next((n for n in range(table + 1, len(lines)) if re.match(rf"\s+{scale}\s*:", lines[n])), None)
    if not own:
        raise ValueError(f"this model has no scale {scale!r}")
    first = next(n for n in range(table + 1, own + 1) if re.match(r"\s+\w+\s*:", lines[n]))
    lines.insert(first, lines.pop(own))
    return "".join(lines)
