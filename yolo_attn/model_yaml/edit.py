"""Put layers into a model YAML and take them out again, with every reference to a later row kept right.

The text is edited where the numbers stand, so that the rest of a file stays as its author wrote it.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.model_yaml.places import places
from yolo_attn.model_yaml.rows import Row, parse, wrong_sources
from yolo_attn.model_yaml.scale import without_default_scale

Edit = tuple[int, int, str]  # positions of what is replaced, and its replacement
NEWLINE = re.compile(r"\r\n|\r|\n")
LAYER_CALL = re.compile(r"(\w+)\s*(?:\(.*\))?")  # EMA or EMA(32), as the argument of a network's row
NOT_EDITABLE = (
    "the rows are written in a way that cannot be edited; write one row a line, `- [-1, 1, Conv, [64, 3, 2]]`"
)


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
    if not 0 <= after < len(rows) - 1:
        raise ValueError(
            f"row {after} cannot be followed by a layer; write 0 to {len(rows) - 2}, the last row is the head"
        )
    new = after + 1

    def index(row: int) -> int:
        return row + (row > after)

    def source(row: int) -> int:
        return new if row == after else index(row)

    written = f"[-1, 1, {layer}, [{', '.join(map(str, args))}]]"
    changed = _edited(text, [*_renumbering(rows, index, source), _addition(text, rows[after], written)])
    expected = _wiring(rows, source)
    _require_rows(changed, [*expected[:new], (layer, [after]), *expected[new:]])
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
    chosen = []
    for layer in layers:
        name, _, written = layer.partition(":")
        if name not in LAYERS:
            raise ValueError(f"there is no layer {name}{suggestion(name) or '; known are ' + ', '.join(LAYERS)}")
        chosen.append((name, [part.strip() for part in written.split(",") if part.strip()]))
    for after in sorted({row for role in at for row in places(text, role)}, reverse=True):
        for name, args in reversed(chosen):
            text = insert(text, after, name, args)
    return text


def strip(text: str) -> str:
    """The model without our layers: what read one reads its source, and networks such as ResNet lose theirs.

    The inverse of `insert` and `with_default_scale`.

    Raises:
        ValueError: The text is no model YAML, its rows are not wired right, or nothing would remain.
    """
    text = without_default_scale(text)
    for row in reversed(_wired(text)):
        if row.module in LAYERS:
            text = _without(text, row.index)
    return _edited(text, [edit for row in parse(text) for edit in _layer_arguments(row)])


def _without(text: str, removed: int) -> str:
    rows = parse(text)
    before = rows[removed].sources[0]

    def index(row: int) -> int:
        return row - (row > removed)

    def source(row: int) -> int:
        return before if row == removed else index(row)

    others = [row for row in rows if row.index != removed]
    changed = _edited(text, [*_renumbering(others, index, source), _removal(text, rows, removed)])
    _require_rows(changed, _wiring(others, source))
    return changed


def _wired(text: str) -> list[Row]:
    rows = parse(text)
    for row, entry in wrong_sources(rows):
        raise ValueError(f"row {row.index}: {row.module} reads row {entry}, which is not a row before it")
    return rows


def _renumbering(rows: Sequence[Row], index: Callable[[int], int], source: Callable[[int], int]) -> Iterator[Edit]:
    """What leads each reference to `source(row)` and moves the number in each comment as far as its row moves to `index(row)`."""
    for row in rows:
        moved = index(row.index)
        for span, entry, old in zip(row.at.sources, row.references, row.sources, strict=True):
            if old >= 0:  # the image stays -1 from the first row; a reference that counts back goes on counting back
                yield *span, str(source(old) if entry >= 0 else source(old) - moved)
        if row.at.number and row.comment_number is not None and row.comment_number + moved - row.index >= 0:
            yield *row.at.number, str(row.comment_number + moved - row.index)


def _addition(text: str, before: Row, row: str) -> Edit:
    start, end = before.at.row
    if not before.at.has_dash:
        return end, end, f", {row}"
    line_start, line_end = _line(text, start)[0], _line(text, end)[1]
    line = f"{' ' * (start - line_start)}- {row} # {before.index + 1}"
    newline = NEWLINE.match(text, line_end)
    if newline:
        return newline.end(), newline.end(), line + newline[0]
    first_newline = NEWLINE.search(text)
    return line_end, line_end, (first_newline[0] if first_newline else "\n") + line


def _removal(text: str, rows: Sequence[Row], removed: int) -> Edit:
    start, end = rows[removed].at.row
    if not rows[removed].at.has_dash:
        if removed and rows[removed - 1].section == rows[removed].section:
            return rows[removed - 1].at.row[1], end, ""
        return start, min([row.at.row[0] for row in rows[removed + 1 :]] or [end]), ""
    line_start, line_end = _line(text, start)[0], _line(text, end)[1]
    if text[line_start:start].strip():
        raise ValueError(NOT_EDITABLE)
    newline = NEWLINE.match(text, line_end)
    if newline:
        return line_start, newline.end(), ""
    before = text[:line_start]
    return len(before.removesuffix("\n").removesuffix("\r")), line_end, ""


def _layer_arguments(row: Row) -> Iterator[Edit]:
    """What takes `EMA(32)` out of `[-1, 1, ResNet, [50, EMA(32)]]`; the arguments behind it keep their places."""
    for number, (value, (start, end)) in enumerate(zip(row.args, row.at.each_arg, strict=True)):
        call = LAYER_CALL.fullmatch(value) if isinstance(value, str) else None
        if call and call[1] in LAYERS:
            is_last = 0 < number == len(row.args) - 1
            yield (row.at.each_arg[number - 1][1], end, "") if is_last else (start, end, '""')


def _line(text: str, position: int) -> tuple[int, int]:
    """Where the line around a position begins, and where it ends before its newline."""
    start = max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1
    newline = NEWLINE.search(text, position)
    return start, newline.start() if newline else len(text)


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _wiring(rows: Sequence[Row], source: Callable[[int], int]) -> list[tuple[str, list[int]]]:
    return [(row.module, [source(entry) if entry >= 0 else entry for entry in row.sources]) for row in rows]


def _require_rows(text: str, expected: list[tuple[str, list[int]]]) -> None:
    """Refuse an edit that did something else than was meant."""
    try:
        found = [(row.module, row.sources) for row in parse(text)]
    except ValueError as error:
        raise ValueError(f"{NOT_EDITABLE}; the result would be: {error}") from error
    if found != expected:
        raise ValueError(NOT_EDITABLE)
