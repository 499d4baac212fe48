"""VisDrone-DET annotation and detection files.

One box per line, no header: left, top, width, height, score, category, truncation, occlusion, in pixels from the
top-left corner. Format: https://github.com/VisDrone/VisDrone2018-DET-toolkit
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from yolo_attn.storage import atomic_write

COLUMNS = ("left", "top", "width", "height", "score", "category", "truncation", "occlusion")
# Categories 1 to 10; YOLO class = category - 1.
NAMES = ("pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus", "motor")
IGNORED_REGION, OTHERS = 0, 11  # two more categories

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_BYTES = b"0123456789+-.eE"  # float() reads nothing made of these that _NUMBER would refuse


def categories_of(names: Mapping[int, str]) -> dict[int, int]:
    """Return {class: VisDrone category} for those classes {number: name} of a detector that VisDrone has.

    Capitals do not matter, nor whether words are joined by a space, a hyphen or an underscore.
    """
    spelled = {number: str(name).strip().lower().replace(" ", "-").replace("_", "-") for number, name in names.items()}
    return {number: NAMES.index(name) + 1 for number, name in spelled.items() if name in NAMES}


def read(path: str | Path) -> np.ndarray:
    """Read an annotation or detection file -> (N, 8) float64, the columns of COLUMNS, in file order.

    Accepts CRLF, a UTF-8 byte order mark, trailing commas, blank lines, spaces around values, an empty file, and
    rows of 6 columns, whose truncation and occlusion become -1.

    Raises:
        ValueError: A line is anything else; the message names file and line.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read()
    rows = _read_clean(content)
    return _read_any(content, path) if rows is None else rows


def _read_clean(content: bytes) -> np.ndarray | None:
    """Parse a file in the usual form at once; None if it has another form."""
    lines = content.replace(b"\r\n", b"\n").removesuffix(b"\n")
    lines = lines.replace(b",\n", b"\n").removesuffix(b",")
    marks = lines.translate(None, _NUMBER_BYTES)
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
    """Return the line (from 1) of row `row` (from 0) in a file; `read` does not count lines, as few rows need it."""
    return [number for number, _ in _lines(Path(path).read_bytes())][row]


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and the text of every line that is not blank."""
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(" \t"))


def _read_any(content: bytes, path: str | Path) -> np.ndarray:
    """Parse a file in any accepted form, line by line."""
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
    """Write rows (N, 8) as a VisDrone file that `read` returns unchanged, whole numbers without a decimal point.

    Args:
        path: File to write in one step; its folder must exist.
        rows: The columns of COLUMNS, finite.
        decimals: Round to this many decimals; None writes every digit needed to read the same float64 back.

    Raises:
        ValueError: `rows` is not (N, 8) or not finite.
        OSError: The file cannot be written.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 8 or not np.isfinite(rows).all():
        raise ValueError(f"{path}: rows of shape {rows.shape} given; a VisDrone file holds (N, 8) finite numbers.")
    if decimals is not None:
        rows = rows.round(decimals)
    lines = (",".join(str(int(v)) if v.is_integer() else repr(v) for v in row) + "\n" for row in rows.tolist())
    atomic_write(path, "".join(lines))
