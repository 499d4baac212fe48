"""What a preparation found: images, boxes, and what was left out, with the place of the first of each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import NAMES, REASONS, line_number


@dataclass(frozen=True)
class Found:
    """Things of one kind: how many, and the first, as `file` or `file:line` below the root."""

    count: int
    first: str


@dataclass(frozen=True)
class SplitReport:
    """What was found and done in one split.

    Attributes:
        images: Images with an annotation file; these are in the list.
        boxes: Labels by class name.
        left_out: Rows that are no label, by reason; one of REASONS that has no rows is absent.
        without_annotation: Images without annotation file; these are not in the list. None if there are none.
        without_image: Annotation files without image. None if there are none.
        extracted: Files taken from the zip.
        written: Label files that did not hold yet what they should.
    """

    images: int
    boxes: dict[str, int]
    left_out: dict[str, Found]
    without_annotation: Found | None
    without_image: Found | None
    extracted: int
    written: int


@dataclass(frozen=True)
class Report:
    """The outcome for each split."""

    splits: dict[str, SplitReport]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of one annotation file: labels by class, {reason: (rows, first row)}; or a sentence on why it was refused."""

    boxes: np.ndarray = field(default_factory=lambda: np.zeros(len(NAMES), int))
    left_out: dict[str, tuple[int, int]] = field(default_factory=dict)
    written: bool = False
    refused: str = ""


def summary(
    folder: Path,
    images: Mapping[str, str],
    annotations: Mapping[str, str],
    outcomes: Mapping[str, Outcome],
    extracted: int,
) -> SplitReport:
    """File names of a split's images/ and annotations/ by stem, and what became of those with both -> its report."""
    left_out = {}
    for reason in REASONS:
        some = {stem: outcome.left_out[reason] for stem, outcome in outcomes.items() if reason in outcome.left_out}
        if some:
            stem, (_, row) = next(iter(some.items()))
            file = f"annotations/{annotations[stem]}"
            place = f"{folder.name}/{file}:{line_number(folder / file, row)}"
            left_out[reason] = Found(sum(count for count, _ in some.values()), place)
    boxes = sum((outcome.boxes for outcome in outcomes.values()), np.zeros(len(NAMES), int))
    return SplitReport(
        images=len(outcomes),
        boxes=dict(zip(NAMES, boxes.tolist(), strict=True)),
        left_out=left_out,
        without_annotation=_found([f"{folder.name}/images/{images[stem]}" for stem in images if stem not in outcomes]),
        without_image=_found([f"{folder.name}/annotations/{annotations[s]}" for s in annotations if s not in outcomes]),
        extracted=extracted,
        written=sum(outcome.written for outcome in outcomes.values()),
    )


def _found(files: Sequence[str]) -> Found | None:
    return Found(len(files), files[0]) if files else None
