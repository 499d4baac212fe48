"""VisDrone annotation rows -> YOLO labels, with a reason for every row left out."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, OTHERS
from yolo_attn.yolo_format.rows import fractions


class Reason(IntEnum):
    """Reason to leave a row out. Where several apply, the lowest counts."""

    IGNORED_REGION = 1
    OTHERS = 2
    SCORE_0 = 3
    ZERO_SIZE = 4
    OUTSIDE_THE_IMAGE = 5
    DUPLICATE = 6

    @property
    def text(self) -> str:
        """The reason as words of a report."""
        return self.name.lower().replace("_", " ")


class RowError(ValueError):
    """A row, numbered from 0, that no label can be made of, and what is wrong with it."""

    def __init__(self, row: int, problem: str):
        super().__init__(f"VisDrone row {row} (from 0): {problem}")
        self.row, self.problem = row, problem


@dataclass(frozen=True, eq=False)
class YoloLabels:
    """Labels made from N annotation rows."""

    labels: np.ndarray  # (M, 5) class, centre x, centre y, width, height as fractions of the image, in row order
    rows: np.ndarray  # (M,) number, from 0, of the row of each label
    regions: np.ndarray  # (K, 4) centre x, centre y, width, height of the ignored regions, as fractions of the image
    region_rows: np.ndarray  # (K,) number, from 0, of the row of each region
    reasons: np.ndarray  # (N,) the Reason why a row is left out; 0 for a row that is a label


def yolo_labels(
    rows: np.ndarray, width: int | np.ndarray, height: int | np.ndarray, image: int | np.ndarray = 0
) -> YoloLabels:
    """Annotation rows (N, 8) of one or several images -> labels (M, 5), and why the other rows are left out.

    A row becomes a label if its score is 1 and its category 1..10. Boxes are clipped to the image. Of rows with the
    same class and clipped box the first stays: Ultralytics drops the others itself.

    Args:
        rows: Columns left, top, width, height, score, category, and two that do not matter.
        width: Image width in pixels; this and the next two are (N,) for rows of several images.
        height: Image height in pixels.
        image: Number of the image.

    Raises:
        RowError: A category is not a whole number in 0..11, or a score is neither 0 nor 1 (a detection file?).
    """
    rows = np.asarray(rows, dtype=np.float64).reshape(-1, 8)
    score, category = rows[:, 4], rows[:, 5]
    _require(np.isin(category, np.arange(OTHERS + 1)), category, "category", "annotations hold whole numbers in 0..11")
    _require(np.isin(score, (0, 1)), score, "score", "annotations hold 0 or 1; a detection file has no labels to make")

    sizes = np.stack([width, height, width, height], -1)  # (4,) or (N, 4)
    with np.errstate(over="ignore"):  # of a box of 1e308 pixels the part in the image is left
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)  # (N, 4) xyxy
    clipped = corners.clip(0, sizes)
    applies = {
        Reason.IGNORED_REGION: category == IGNORED_REGION,
        Reason.OTHERS: category == OTHERS,
        Reason.SCORE_0: score == 0,
        Reason.ZERO_SIZE: (rows[:, 2:4] <= 0).any(1),
        Reason.OUTSIDE_THE_IMAGE: (clipped[:, 2:] <= clipped[:, :2]).any(1),
    }
    reasons = np.select([*applies.values()], [*applies])  # the first that applies, or 0
    valid = np.flatnonzero(reasons == 0)
    boxes = np.column_stack([np.broadcast_to(image, len(rows)), category, clipped])[valid]
    first = np.sort(np.unique(boxes, axis=0, return_index=True)[1])  # of equal boxes
    reasons[np.delete(valid, first)] = Reason.DUPLICATE
    labelled = valid[first]

    boxes = fractions(clipped, *sizes.T[:2])
    ignored = np.flatnonzero(applies[Reason.IGNORED_REGION] & ~applies[Reason.OUTSIDE_THE_IMAGE])
    return YoloLabels(
        labels=np.column_stack([category[labelled] - 1, boxes[labelled]]),
        rows=labelled,
        regions=boxes[ignored],
        region_rows=ignored,
        reasons=reasons,
    )


def _require(valid: np.ndarray, values: np.ndarray, column: str, rule: str) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        raise RowError(row, f"{column} is {values[row]:g}; {rule}.")
