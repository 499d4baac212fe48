"""The rows of a model YAML, each with its place in the text, so that an edit touches nothing but what it must.

Every way of writing lists is read: a row a line, rows over several lines, one item a line as `yaml.safe_dump` writes them, JSON.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from yolo_attn.model_yaml import document

RULE = "a row is written `- [from, number, module, arguments]`"
SOURCE = re.compile(r"0|-?[1-9][0-9]*")
COMMENT = re.compile(r"[ \t]*,?[ \t]*(#[^\r\n]*)")
# "# 9", "# 3-P3/8", "# 17 (P3/8-small)", "# F4 (15), pan_blocks" name their row; "# cat head P4" and "# 5 stages" do not.
ROW_NUMBER = re.compile(r"^#\s?(0|[1-9][0-9]*)(?=\s*$|\s*[-(,]|\s+input_proj)|(?<=\()(0|[1-9][0-9]*)(?=\))")

Span = tuple[int, int]  # positions in the text: first character, one past the last


@dataclass(frozen=True)
class Positions:
    """Where the parts of a row stand in the text.

    Attributes:
        row: From its dash, or its bracket where the section has no dashes, to the end of its last value.
        has_dash: Whether the section is written with a dash before each row.
        sources: Each source.
        module: The module's name.
        args: The list of arguments.
        each_arg: Each argument.
        number: The row number that the comment behind the row names, None where it names none.
    """

    row: Span
    has_dash: bool
    sources: tuple[Span, ...]
    module: Span
    args: Span
    each_arg: tuple[Span, ...]
    number: Span | None


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
        line: Number of its first line in the text, from 0.
        comment_number: The row number that the comment behind the row names, None where it names none.
        at: Where its parts stand in the text.
    """

    index: int
    written: int | list[int]
    repeats: int
    module: str
    args: list
    section: str
    line: int
    comment_number: int | None
    at: Positions

    @property
    def references(self) -> list[int]:
        """Its sources as written, as a list where there is one."""
        return self.written if isinstance(self.written, list) else [self.written]

    @property
    def sources(self) -> list[int]:
        """Indices of the rows it reads, from 0; negative: the image."""
        return [source if source >= 0 else self.index + source for source in self.references]


def parse(text: str) -> list[Row]:
    """The rows of a model YAML, the backbone's first.

    Raises:
        ValueError: The text is no model YAML, or a row is not `[from, number, module, arguments]`; the message names the line.
    """
    data, nodes = document.load(text)
    if not data["head"]:
        raise ValueError("the head has no row; its last row makes the model's output")
    rows: list[Row] = []
    for section in document.SECTIONS:
        end = nodes[section].start_mark.index
        for node, values in zip(nodes[section].value, data[section], strict=True):
            row = _row(text, len(rows), section, not nodes[section].flow_style, node, values, end)
            rows.append(row)
            end = row.at.row[1]
    return rows


def wrong_sources(rows: Sequence[Row]) -> Iterator[tuple[Row, int]]:
    """Each (row, source as written) that is not a row before it; only the first row reads the image."""
    for row in rows:
        for entry, source in zip(row.references, row.sources, strict=True):
            if source >= row.index or (source < 0 and (row.index > 0 or entry != -1)):
                yield row, entry


def _row(text: str, index: int, section: str, has_dash: bool, node: yaml.Node, values: object, after: int) -> Row:
    """One row; `after` is where the row before it ends, or where its section begins."""
    line = node.start_mark.line
    place = f"line {line + 1}"
    if not (isinstance(values, list) and len(values) == 4):
        written = text[node.start_mark.index : _end(node)]
        raise ValueError(f"{place}: {RULE}; found {' '.join(written.split()) or 'nothing'}")
    written, repeats, module, args = values
    sources, _, name, arguments = node.value
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"{place}: {RULE}; the number is {repeats!r}, write 1 or more")
    if not isinstance(module, str) or not isinstance(args, list):
        raise ValueError(f"{place}: {RULE}; found {module!r} as module and {args!r} as arguments")
    entries = sources.value if isinstance(sources, yaml.SequenceNode) else [sources]
    if not entries:
        raise ValueError(f"{place}: {module} has no source; write the number of a row, or -1 for the row before")
    for start, end in map(_span, entries):
        if not SOURCE.fullmatch(text[start:end]):
            raise ValueError(f"{place}: the source {text[start:end]} is no row; write a number such as 4 or -1")
    start, end = _span(node)
    start = _next_token(text, after) if has_dash else start
    at = Positions(
        row=(start, end),
        has_dash=has_dash,
        sources=tuple(map(_span, entries)),
        module=_span(name),
        args=_span(arguments),
        each_arg=tuple(map(_span, arguments.value)),
        number=_comment_number(text, end),
    )
    if start < after or (has_dash and text[start] != "-") or not all(start < place < end for place in at.sources[0]):
        raise ValueError(f"{place}: {module} stands here by an anchor, alias or tag; write the row out")
    return Row(
        index=index,
        written=written,
        repeats=repeats,
        module=module,
        args=args,
        section=section,
        line=line,
        comment_number=int(text[slice(*at.number)]) if at.number else None,
        at=at,
    )


def _span(node: yaml.Node) -> Span:
    return node.start_mark.index, _end(node)


def _end(node: yaml.Node) -> int:
    """Where the last value of a node ends. The node's own mark stands behind the comments that follow a list with dashes."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node.end_mark.index


def _next_token(text: str, after: int) -> int:
    """Where the next thing stands that is no blank and no comment: behind a row, the dash of the next."""
    blank = re.compile(r"(?:\s|#[^\r\n]*)*").match(text, after)
    return blank.end() if blank else after


def _comment_number(text: str, after: int) -> Span | None:
    comment = COMMENT.match(text, after)
    number = ROW_NUMBER.search(comment[1]) if comment else None
    if not comment or not number:
        return None
    start, end = number.span(number.lastindex or 0)
    return comment.start(1) + start, comment.start(1) + end
