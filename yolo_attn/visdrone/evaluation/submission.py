"""Reads what is evaluated: two text files per image and the image sizes; warns of what looks wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES, OTHERS, read

MOST_ROWS = 500  # detections of an image that the protocol looks at


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: name without suffix, size in pixels, and the rows (N, 8) of its two files in file order."""

    stem: str
    width: int
    height: int
    annotations: np.ndarray
    detections: np.ndarray


@dataclass(frozen=True, eq=False)
class Submission:
    """All images of a split in file name order, and sentences about what a careful person should look at."""

    frames: tuple[Frame, ...]
    warnings: tuple[str, ...]


def load(annotations: Path, detections: Path, sizes: Mapping[str, tuple[int, int]]) -> Submission:
    """Read folders of VisDrone text files and {stem: (width, height)} -> all frames of the annotation folder.

    An image without a detection file has no detections. Files other than *.txt are not looked at.

    Raises:
        FileNotFoundError: A folder is missing, there is no annotation, or no detection file fits one.
        ValueError: An image has no size, or a row cannot be read.
        OSError: A file cannot be read.
    """
    annotation_files = _text_files(Path(annotations), "annotations")
    detection_files = _text_files(Path(detections), "detections")
    if not annotation_files:
        raise FileNotFoundError(f"annotations: no *.txt file in {annotations}; expected one per image of the split")
    missing = [stem for stem in annotation_files if stem not in detection_files]
    unused = [stem for stem in detection_files if stem not in annotation_files]
    if unused and len(unused) == len(detection_files):
        raise FileNotFoundError(
            f"detections: none of the {len(unused)} files in {detections} is named like an annotation:"
            f" {_first_names(unused)} against {_first_names([*annotation_files])};"
            " a detection file has the name of its image's annotation file"
        )
    unsized = [stem for stem in annotation_files if stem not in sizes]
    if unsized:
        raise ValueError(
            f"image sizes: {len(unsized)} of {len(annotation_files)} annotated images have none: {_first_names(unsized)};"
            " ignored regions need the size of every image, so add these images or their CSV rows"
        )
    frames = tuple(
        Frame(
            stem, *sizes[stem], read(path), read(detection_files[stem]) if stem in detection_files else np.empty((0, 8))
        )
        for stem, path in annotation_files.items()
    )
    return Submission(frames, tuple(_warnings(frames, missing, unused)))


def _text_files(folder: Path, role: str) -> dict[str, Path]:
    if not folder.is_dir():
        existing = "a file" if folder.exists() else "nothing"
        raise FileNotFoundError(f"{role}: expected a folder of *.txt files at {folder}, found {existing} there")
    # By full name, as the toolkit lists them ("a-1.txt" before "a.txt"): the order decides between equal scores.
    return {path.stem: path for path in sorted(folder.glob("*.txt"), key=lambda path: path.name)}


def _warnings(frames: Sequence[Frame], missing: list[str], unused: list[str]) -> Iterator[str]:
    unsorted = [frame.stem for frame in frames if (np.diff(frame.detections[:, 4]) > 0).any()]
    long = [frame.stem for frame in frames if len(frame.detections) > MOST_ROWS]
    categories = np.concatenate([frame.detections[:, 5] for frame in frames])
    annotated = np.concatenate([frame.annotations for frame in frames])
    regions = annotated[annotated[:, 5] == IGNORED_REGION, :4]
    unknown_detections = (~np.isin(categories, np.arange(1, len(NAMES) + 1))).sum()
    unknown_annotations = (~np.isin(annotated[:, 5], np.arange(OTHERS + 1))).sum()
    fractional = (regions % 1 != 0).any(1).sum()
    if missing:
        yield f"images without a detection file, counted as without detections: {len(missing)} ({_first_names(missing)})"
    if unused:
        yield f"detection files without an annotation file, not used: {len(unused)} ({_first_names(unused)})"
    if unsorted:
        yield (
            f"detection files not sorted by falling score: {len(unsorted)} ({_first_names(unsorted)});"
            f" the protocol takes the first 1, 10, 100 and {MOST_ROWS} rows in file order"
        )
    if long:
        yield (
            f"detection files with more than {MOST_ROWS} rows: {len(long)} ({_first_names(long)});"
            f" rows after the first {MOST_ROWS} outside the ignored regions were not used"
        )
    if unknown_detections:
        yield (
            f"detections with a category other than 1..{len(NAMES)}: {unknown_detections};"
            f" no class evaluates them, yet they count among the first {MOST_ROWS} rows"
        )
    if unknown_annotations:
        yield f"annotations with a category other than 0..{OTHERS}: {unknown_annotations}; no class evaluates them"
    if fractional:
        yield f"ignored regions not in whole pixels, rounded: {fractional}; the official toolkit stops at them"


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
