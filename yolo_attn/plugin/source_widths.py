"""Give a plug-in row the width of its source, by lists that Ultralytics' parser fills in without knowing.

The parser passes the arguments of a class that it does not know as they are, and replaces an argument that names one of its local
variables by that variable's value. No other way leaves its code, its numbering and its table of rows as they are.
"""

from collections.abc import Iterator
from typing import Any


class Sources(list):
    """Sources of a layer that reads several rows. As an index it is the first, whose width the parser takes for the output's."""

    def __index__(self) -> int:
        return self[0]


class Arguments(list):
    """Arguments of a plug-in row: "ch", then, once the parser has replaced that, the width or widths and the hyper-parameters.

    "ch" is the parser's list of the widths of all rows so far. The hyper-parameters are added behind the parser's back: it would
    replace a text such as "act" by a variable of its own, and stop at one such as "3x3", which is no Python.
    """

    def __init__(self, source: int | Sources, layer: Any, values: list):
        super().__init__(["ch"])
        self.source: Any = source
        self.layer = layer
        self.values = values
        self.complete = False

    def __setitem__(self, position: Any, widths: Any) -> None:
        several = isinstance(self.source, Sources)
        width = [widths[entry] for entry in self.source] if several else widths[self.source]
        super().__setitem__(slice(None), [width, *self.values])
        self.complete = True

    def __iter__(self) -> Iterator:
        return iter(tuple(super().__iter__()))  # a copy: the parser is in a loop over this list when it grows


def arguments_of(row: Any) -> Arguments | None:
    """Return the arguments of a prepared plug-in row, None for any other row, however malformed."""
    return row[3] if isinstance(row, list) and len(row) == 4 and isinstance(row[3], Arguments) else None
