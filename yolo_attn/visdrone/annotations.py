"""VisDrone-DET annotation and detection files, and the YOLO labels made from them.

One box per line, no header: left, top, width, height, score, category, truncation, occlusion, in pixels from the
top-left corner. Format: https://github.com/VisDrone/VisDrone2018-DET-toolkit
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = ("left", "top", "width", "height", "score", "category", "truncation", "occlusion")
CATEGORIES = (
    "ignored region",
    "pedestrian",
    "people",
    "bicycle",
    "car",
    "van",
    "truck",
    "tricycle",
    "awning-tricycle",
    "bus",
    "motor",
    "others",
)
IGNORED_REGION, OTHERS = 0, 11
NAMES = CATEGORIES[1:OTHERS]  # YOLO class = category - 1
REASONS = ("ignored region", "others", "score 0", "zero size", "outside the image", "duplicate")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WEIGHTS = np.sqrt([2, 3, 5, 7, 11, 13])
_IN_NUMBERS = b"0123456789+-.eE"  # float() reads nothing made of these that _NUMBER would refuse


class RowError(ValueError):
    """A row that no label can be made of: its number, from 0, and what is wrong with it."""

    def __init__(self, row: int, problem: str):
        super().__init__(row, problem)
        self.row, self.problem = row, problem

    def __str__(self) -> str:
        return f"VisDrone row {self.row} (from 0): {self.problem}"


@dataclass(frozen=True)
class YoloLabels:
    """What `yolo_labels` makes of annotation rows.

    Attributes:
        labels: (M, 5) class, centre x, centre y, width, height, in row order; boxes are fractions of the image.
        rows: (M,) the number, from 0, of the row that a label is made of.
        left_out: For each of REASONS the numbers of the rows left out for it, rising.
    """

    labels: np.ndarray
    rows: np.ndarray
    left_out: dict[str, tuple[int, ...]]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were left out, by reason."""
        return {reason: len(rows) for reason, rows in self.left_out.items()}


def categories_of(names: Mapping[int, str]) -> dict[int, int]:
    """{class: VisDrone category} for the classes of a detector that VisDrone has, however they are capitalised and joined."""
    spelled = {kind: str(name).strip().lower().replace(" ", "-").replace("_", "-") for kind, name in names.items()}
    return {kind: NAMES.index(name) + 1 for kind, name in spelled.items() if name in NAMES}


def read(path: str | Path) -> np.ndarray:
    """Annotation or detection file -> (N, 8) float64, the columns of COLUMNS, in file order.

    Accepts CRLF, a UTF-8 byte order mark, trailing commas, blank lines, spaces around values, an empty file, and
    rows of 6 columns, whose truncation and occlusion become -1.

    Raises:
        ValueError: a line is anything else; the message names file and line.
    """
    with open(path, "rb") as file:
        content = file.read()
    rows = _read_clean(content)
    return _read_any(content, path) if rows is None else rows


def _read_clean(content: bytes) -> np.ndarray | None:
    """The rows of a file in the usual form, parsed at once; None where the form is another one."""
    lines = content.replace(b"\r\n", b"\n").removesuffix(b"\n")
    lines = lines.replace(b",\n", b"\n").removesuffix(b",")
    marks = lines.translate(None, _IN_NUMBERS)
    if marks != (b",,,,,,,\n" * (len(marks) // 8 + 1))[:-1]:  # seven commas a line and nothing else but numbers
        return None
    values = lines.replace(b"\n", b",")
    if not values.translate(None, b"0123456789,") and b",," not in b",%b," % values:  # as VisDrone ships them
        rows = np.fromstring(values, np.int64, sep=",").astype(np.float64)
        if rows.max() < 2**53:
            return rows.reshape(-1, 8)
    try:
        rows = np.array([*map(float, values.split(b","))])
    except ValueError:
        return None
    return rows.reshape(-1, 8) if np.isfinite(rows).all() else None


def line_number(path: str | Path, row: int) -> int:
    """The line, from 1, on which row `row`, from 0, of a file stands. `read` does not count lines; few rows need it."""
    return [number for number, _ in _lines(Path(path).read_bytes())][row]


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """The lines that hold something, each with its number from 1."""
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(" \t"))


def _read_any(content: bytes, path: str | Path) -> np.ndarray:
    """The rows of a file in any accepted form, line by line."""
    rows = []
    for number, line in _lines(content):
        values = [value.strip(" \t") for value in line.rstrip(", \t").split(",")]
        where = f"{path}, line {number}"
        if len(values) not in (6, 8):
            raise ValueError(
                f"{where}: {len(values)} column{'s' * (len(values) != 1)} in {line[:80]!r}; a VisDrone row has "
                f"8 comma-separated columns ({', '.join(COLUMNS)}) or the first 6 of them."
            )
        for column, value in zip(COLUMNS, values, strict=False):
            if not _NUMBER.fullmatch(value) or not np.isfinite(float(value)):
                raise ValueError(
                    f"{where}: {column} is {value[:80]!r} in {line[:80]!r}; every column must be a finite number."
                )
        rows.append([float(value) for value in values] + [-1.0] * (8 - len(values)))
    return np.array(rows, dtype=np.float64).reshape(-1, 8)


def write(path: str | Path, rows: np.ndarray, decimals: int | None = None) -> None:
    """(N, 8) rows -> a VisDrone file that `read` returns unchanged; whole numbers are written without a decimal point.

    Args:
        path: File to write; its folder must exist.
        rows: The columns of COLUMNS, finite.
        decimals: Round to this many decimals; None writes every digit needed to read the same float64 back.

    Raises:
        ValueError: `rows` is not (N, 8) or not finite.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 8 or not np.isfinite(rows).all():
        raise ValueError(f"{path}: rows of shape {rows.shape} given; a VisDrone file holds (N, 8) finite numbers.")
    if decimals is not None:
        rows = rows.round(decimals)
    lines = (",".join(str(int(v)) if v.is_integer() else repr(v) for v in row) + "\n" for row in rows.tolist())
    Path(path).write_bytes("".join(lines).encode())


def yolo_labels(
    rows: np.ndarray, width: int | np.ndarray, height: int | np.ndarray, image: int | np.ndarray = 0
) -> YoloLabels:
    """Annotation rows (N, 8) of a width x height image -> labels (M, 5), and why the other rows are left out.

    A row becomes a label if its score is 1 and its category 1..10. Boxes are clipped to the image. Of rows with the
    same class and clipped box the first stays: Ultralytics drops the others itself.

    Args:
        rows: The columns of COLUMNS.
        width: Pixels; for rows of several images, which take less time together, (N,).
        height: Likewise.
        image: For rows of several images, (N,) a number for the image of each.

    Raises:
        RowError: a category is not a whole number in 0..11, or a score is neither 0 nor 1 (a detection file?).
    """
    rows = np.asarray(rows, dtype=np.float64).reshape(-1, 8)
    score, category = rows[:, 4], rows[:, 5]
    whole = (category >= 0) & (category <= OTHERS) & (category == np.floor(category))
    _require(whole, category, "category", "annotations hold whole numbers in 0..11")
    switch = (score == 0) | (score == 1)
    _require(switch, score, "score", "annotations hold 0 or 1; a detection file has no labels to make")

    sizes = np.stack([width, height, width, height], -1)  # (4,) or (N, 4)
    clipped = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1).clip(0, sizes)  # (N, 4) xyxy
    reason = np.full(len(rows), -1)
    # From the last of REASONS to the first, which wins.
    reason[(clipped[:, 2:] <= clipped[:, :2]).any(1)] = 4
    reason[(rows[:, 2:4] <= 0).any(1)] = 3
    reason[score == 0] = 2
    reason[category == OTHERS] = 1
    reason[category == IGNORED_REGION] = 0
    kept = (reason == -1).nonzero()[0]
    seen = np.column_stack([np.broadcast_to(image, len(rows)), category, clipped])[kept]
    keys = np.sort((seen * _WEIGHTS).sum(1))  # equal for equal rows, and hardly ever for others
    if (keys[1:] == keys[:-1]).any():
        boxes = list(map(tuple, seen.tolist()))
        reason[kept] = REASONS.index("duplicate")
        first = dict(zip(reversed(boxes), reversed(kept.tolist()), strict=True))
        reason[list(first.values())] = -1
        kept = (reason == -1).nonzero()[0]

    corners = (clipped / sizes)[kept]
    labels = np.empty((len(kept), 5))
    labels[:, 0] = category[kept] - 1
    labels[:, 1:3], labels[:, 3:] = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    left_out = {name: () for name in REASONS}
    if len(kept) < len(rows):
        left_out = {name: tuple((reason == i).nonzero()[0].tolist()) for i, name in enumerate(REASONS)}
    return YoloLabels(labels, kept, left_out)


def _require(fits: np.ndarray, values: np.ndarray, column: str, rule: str) -> None:
    if not fits.all():
        row = int(np.argmin(fits))
        raise RowError(row, f"{column} is {values[row]:g}; {rule}.")


def label_text(labels: np.ndarray) -> str:
    """(M, 5) labels -> a YOLO label file; six decimals are finer than 0.01 pixel up to images of 10,000 pixels."""
    return ("{:.0f} {:.6f} {:.6f} {:.6f} {:.6f}\n" * len(labels)).format(*labels.ravel().tolist())


def write_labels(path: str | Path, labels: np.ndarray) -> None:
    """(M, 5) labels -> the file of `label_text`."""
    Path(path).write_bytes(label_text(labels).encode())
