"""Put layers into a model YAML and take them out again, with every reference to a later row kept right.

The text is edited where the numbers stand, so that the rest of a file stays as its author wrote it.
"""

import re
from collections.abc import Iterator, Sequence

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.inside import without_inner_layers
from yolo_attn.model_yaml.names import layer_and_arguments
from yolo_attn.model_yaml.places import places
from yolo_attn.model_yaml.rows import Row, parse, wrong_sources
from yolo_attn.model_yaml.scale import without_default_scale

Edit = tuple[int, int, str]  # positions of what is replaced, and its replacement
Wiring = list[tuple[str, list[int]]]  # module and sources of each row
LINE_HEAD = re.compile(r"(\r\n|\r|\n)([^\r\n]*)\Z")
NEWLINE = re.compile(r"[\r\n]")
LAYER_CALL = re.compile(r"(\w+)\s*(?:\(.*\))?")  # EMA or EMA(32), as the argument of a network's row
NOT_EDITABLE = "the rows cannot be edited as they are written; write one row a line, `- [-1, 1, Conv, [64, 3, 2]]`"


def insert(text: str, after: int, layer: str, args: Sequence = ()) -> str:
    """The model with one more row. What read row `after` reads the new row instead, which reads row `after`.

    Args:
        text: A model YAML.
        after: Index of the row whose output the layer gets; not the last row, which is the head.
        layer: Name of the layer.
        args: Its hyper-parameters.

    Raises:
        ValueError: There is no such row, it is the last, or the model's rows are not wired right.
    """
    rows = _wired(text)
    last = len(rows) - 1
    if not 0 <= after < last:
        raise ValueError(f"row {after} cannot be followed by a layer; write 0 to {last - 1}, row {last} is the head")
    new = after + 1
    sources = [row + (row >= after) for row in range(len(rows))]
    expected = _wiring(rows, sources)
    expected.insert(new, (layer, [after]))
    addition = _addition(text, rows[after], f"[-1, 1, {layer}, [{', '.join(map(str, args))}]]")
    changed = _edited(text, [*_renumbering(rows, 1, after, sources), addition], expected)
    if _without(changed, new) != text:
        raise ValueError(NOT_EDITABLE)
    return changed


def insert_all(text: str, layers: Sequence[str], at: Sequence[str | int]) -> str:
    """The model with each layer at each place, in the order given.

    Args:
        text: A model YAML.
        layers: Names with arguments behind a colon: `EMA`, `EMA:8`, `CBAM:16,7`.
        at: Roles or indices as for `places`, of the model as it is in `text`.

    Raises:
        ValueError: A layer is unknown, or the model has no such place.
    """
    chosen = [layer_and_arguments(layer) for layer in layers]
    for after in sorted({row for role in at for row in places(text, role)}, reverse=True):
        for name, args in reversed(chosen):
            text = insert(text, after, name, args)
    return text


def strip(text: str) -> str:
    """The model without our layers: what read one reads its source; networks such as ResNet and blocks such as `C3+EMA` lose theirs.

    The inverse of `insert`, `insert_inside` and `with_default_scale`.

    Raises:
        ValueError: The text is no model YAML, its rows are not wired right, or nothing would remain.
    """
    text = without_inner_layers(without_default_scale(text))
    for row in reversed(_wired(text)):
        if row.module in LAYERS:
            text = _without(text, row.index)
    rows = parse(text)
    edits = [edit for row in rows for edit in _layer_arguments(row)]
    return _edited(text, edits, _wiring(rows)) if edits else text


def _without(text: str, removed: int) -> str:
    """The model without a row; what read it reads its first source."""
    rows = parse(text)
    others = [row for row in rows if row.index != removed]
    sources = [row - (row > removed) for row in range(len(rows))]
    sources[removed] = rows[removed].sources[0]
    edits = [_removal(text, rows, removed), *_renumbering(others, -1, removed, sources)]
    return _edited(text, edits, _wiring(others, sources))


def _wired(text: str) -> list[Row]:
    rows = parse(text)
    for row, entry in wrong_sources(rows):
        raise ValueError(f"row {row.index}: {row.module} reads row {entry}, which is not a row before it")
    return rows


def _wiring(rows: Sequence[Row], sources: Sequence[int] | None = None) -> Wiring:
    """Module and sources of each row, after row n has become row `sources[n]` to its readers; the image stays -1."""
    moved = dict(enumerate(sources or ()))
    return [(row.module, [moved.get(source, source) for source in row.sources]) for row in rows]


def _renumbering(rows: Sequence[Row], shift: int, after: int, sources: Sequence[int]) -> Iterator[Edit]:
    """Replace each reference to row n by one to row `sources[n]`, while the rows behind `after` move by `shift`."""
    for row in rows:
        moved = shift if row.index > after else 0
        for span, reference, source in zip(row.at.sources, row.references, row.sources, strict=True):
            if source >= 0:  # the image stays -1; a reference that counts back goes on counting back
                yield *span, str(sources[source] - (0 if reference >= 0 else row.index + moved))
        if row.at.number and row.comment_number is not None and row.comment_number + moved >= 0:
            yield *row.at.number, str(row.comment_number + moved)


def _addition(text: str, before: Row, row: str) -> Edit:
    start, end = before.at.row
    if not before.at.has_dash:
        return end, end, f", {row}"
    newline, indent = _line_head(text, start)
    line_end = _line_end(text, end)
    return line_end, line_end, f"{newline}{' ' * len(indent)}- {row} # {before.index + 1}"


def _removal(text: str, rows: Sequence[Row], removed: int) -> Edit:
    start, end = rows[removed].at.row
    if rows[removed].at.has_dash:
        newline, indent = _line_head(text, start)
        if indent.strip():
            raise ValueError(NOT_EDITABLE)
        return start - len(newline + indent), _line_end(text, end), ""
    section = [row.at.row for row in rows if row.section == rows[removed].section]
    position = section.index((start, end))
    if position:
        return section[position - 1][1], end, ""
    return start, section[1][0] if len(section) > 1 else end, ""


def _layer_arguments(row: Row) -> Iterator[Edit]:
    """Take `EMA(32)` out of `[-1, 1, ResNet, [50, EMA(32)]]`; the arguments behind it keep their places."""
    for number, (value, (start, end)) in enumerate(zip(row.args, row.at.each_arg, strict=True)):
        call = LAYER_CALL.fullmatch(value) if isinstance(value, str) else None
        if call and call[1] in LAYERS:
            is_last = 0 < number == len(row.args) - 1
            yield (row.at.each_arg[number - 1][1], end, "") if is_last else (start, end, '""')


def _line_head(text: str, position: int) -> tuple[str, str]:
    """The newline before the line around a position, and what stands in that line before the position."""
    head = LINE_HEAD.search(text, 0, position)
    return (head[1], head[2]) if head else ("", text[:position])


def _line_end(text: str, position: int) -> int:
    newline = NEWLINE.search(text, position)
    return newline.start() if newline else len(text)


def _edited(text: str, edits: Sequence[Edit], expected: Wiring) -> str:
    """Apply edits; refuse if the rows are not the expected ones then."""
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    try:
        wiring = _wiring(parse(text))
    except ValueError as error:
        raise ValueError(f"{NOT_EDITABLE}; the result would be: {error}") from error
    if wiring != expected:
        raise ValueError(NOT_EDITABLE)
    return text
