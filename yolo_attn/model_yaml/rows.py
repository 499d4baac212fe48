"""The rows of a model YAML, each with its place in the text, so that an edit touches nothing but what it must.

Every way of writing lists is read: a row a line, rows over several lines, one item a line as `yaml.safe_dump` writes them, JSON.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from yolo_attn.model_yaml import document
from yolo_attn.model_yaml.inner_layers import has_layers, stock_name

RULE = "a row is written `- [from, number, module, arguments]`"
SOURCE = re.compile(r"0|-?[1-9][0-9]*")
BLANK = re.compile(r"(?:\s|#[^\r\n]*)*")
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
        references: Its sources as written, negative ones counted back from this row.
        repeats: How often the module is repeated, before the depth of the scale.
        module: Name of the module, with the layers inside it if there are any: `C3+EMA`.
        args: Its arguments as written.
        section: "backbone" or "head".
        line: Number of its first line in the text, from 0.
        comment_number: The row number that the comment behind the row names, None where it names none.
        at: Where its parts stand in the text.
    """

    index: int
    references: list[int]
    repeats: int
    module: str
    args: list
    section: str
    line: int
    comment_number: int | None
    at: Positions

    @property
    def block(self) -> str:
        """Name of its module alone: `C3` of `C3+EMA`."""
        return stock_name(self.module)

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
    start, end = _span(node)
    if not (isinstance(values, list) and len(values) == 4):
        found = " ".join(text[start:end].split()) or "nothing"
        cut = isinstance(values, list) and any(has_layers(value) and "(" in value for value in values)
        quotes = "; arguments with a comma need quotes, 'C3+CBAM(16, 7)'" if cut else ""
        raise ValueError(f"{place}: {RULE}{quotes}; found {found}")
    references, repeats, module, args = values
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"{place}: {RULE}; the number is {repeats!r}, write 1 or more")
    if not isinstance(module, str) or not isinstance(args, list):
        raise ValueError(f"{place}: {RULE}; found {module!r} as module and {args!r} as arguments")
    source_node, _, module_node, args_node = node.value
    sources = [_span(entry) for entry in (source_node.value if isinstance(references, list) else [source_node])]
    if not sources:
        raise ValueError(f"{place}: {module} has no source; write the number of a row, or -1 for the row before")
    for written in (text[slice(*span)] for span in sources):
        if not SOURCE.fullmatch(written):
            raise ValueError(f"{place}: the source {written} is no row; write a number such as 4 or -1")
    if has_dash:
        start = _next_token(text, after)
    if start < after or (has_dash and text[start] != "-") or not start < sources[0][0] < sources[0][1] < end:
        raise ValueError(f"{place}: {module} stands here by an anchor, alias or tag; write the row out")
    number = _comment_number(text, end)
    return Row(
        index=index,
        references=references if isinstance(references, list) else [references],
        repeats=repeats,
        module=module,
        args=args,
        section=section,
        line=line,
        comment_number=int(text[slice(*number)]) if number else None,
        at=Positions(
            row=(start, end),
            has_dash=has_dash,
            sources=tuple(sources),
            module=_span(module_node),
            args=_span(args_node),
            each_arg=tuple(map(_span, args_node.value)),
            number=number,
        ),
    )


def _span(node: yaml.Node) -> Span:
    """Where a node stands. Its own end mark stands behind the comments that follow a list with dashes."""
    last = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    return node.start_mark.index, last.end_mark.index


def _next_token(text: str, after: int) -> int:
    """Where the next thing stands that is no blank and no comment: behind a row, the dash of the next."""
    blank = BLANK.match(text, after)
    return blank.end() if blank else after


def _comment_number(text: str, after: int) -> Span | None:
    comment = COMMENT.match(text, after)
    number = comment and ROW_NUMBER.search(comment[1])
    if not comment or not number:
        return None
    start, end = number.span(number.lastindex or 0)
    return comment.start(1) + start, comment.start(1) + end
