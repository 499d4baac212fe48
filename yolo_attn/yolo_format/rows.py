"""Label files and files of ignored regions: a box a row, as fractions of the picture.

A label is `class x y width height`, x and y being the centre; an ignored region is the same without the class. Ignored regions
are parts of a picture in which objects are not annotated, so that nothing there is background.
"""

import os
from pathlib import Path

import numpy as np

LABELS, IGNORED = "labels", "ignored"  # the folders beside images/
TOLERANCE = 0.01  # by which a fraction may leave 0 to 1, as Ultralytics allows labels


def beside(image: str | Path, folder: str) -> Path:
    """Return the text file of a picture in `folder`, which takes the place of the last `images` in the path, as labels do."""
    name = os.fspath(Path(image))
    parts = name.rsplit(f"{os.sep}images{os.sep}", 1)
    return Path(f"{os.sep}{folder}{os.sep}".join(parts)).with_suffix(".txt")


def read_regions(path: str | Path) -> np.ndarray:
    """Read a file of ignored regions -> (N, 4) float64 x, y, width, height of the centre and sides as fractions; empty if no region.

    Raises:
        ValueError: A row is not four fractions; the message names file and line.
        FileNotFoundError: There is no such file.
    """
    return _read(path, ("x", "y", "width", "height"))


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label file -> (N, 5) float64 class, x, y, width, height.

    Raises:
        ValueError: A row is not a class and four fractions; the message names file and line. Polygons are refused as well.
        FileNotFoundError: There is no such file.
    """
    return _read(path, ("class", "x", "y", "width", "height"))


def _read(path: str | Path, columns: tuple[str, ...]) -> np.ndarray:
    rows = []
    text = Path(path).read_bytes().decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not (values := line.split()):
            continue
        try:
            row = [float(value) for value in values]
        except ValueError:
            row = []
        fits = len(row) == len(columns) and all(-TOLERANCE <= value <= 1 + TOLERANCE for value in row[-4:])
        if not fits or (len(row) == 5 and not (row[0] >= 0 and row[0].is_integer())):
            number_of_class = " a whole class number and" if len(columns) == 5 else ""
            raise ValueError(
                f"{path}, line {number}: {line[:80]!r}; a row is {' '.join(columns)},{number_of_class} four fractions of the picture"
                " from 0 to 1"
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


def rows_text(rows: np.ndarray) -> str:
    """Labels (N, 5) or regions (N, 4) -> text of their file; six decimals are finer than 0.01 pixel up to 10,000 pixels."""
    row = "{:.0f} {:.6f} {:.6f} {:.6f} {:.6f}\n" if rows.shape[1] == 5 else "{:.6f} {:.6f} {:.6f} {:.6f}\n"
    return (row * len(rows)).format(*rows.ravel().tolist())


def fractions(corners: np.ndarray, width: np.ndarray | int, height: np.ndarray | int) -> np.ndarray:
    """Boxes (N, 4) xyxy in pixels -> (N, 4) x, y, width, height as fractions of a picture; sizes are one number or (N,)."""
    low, high = np.split(corners / np.stack([width, height, width, height], -1), 2, axis=1)
    return np.column_stack([(low + high) / 2, high - low])


def corners(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The inverse of `fractions`, of one picture."""
    centre, sides = boxes[:, :2], boxes[:, 2:4]
    return np.concatenate([centre - sides / 2, centre + sides / 2], 1) * [width, height, width, height]
