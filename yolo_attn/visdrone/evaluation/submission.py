"""What an evaluation reads: two text files per image, the image sizes, and what is odd about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES, OTHERS, read

MOST_ROWS = 500  # detections of an image that the protocol looks at


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: its name without suffix, its size in pixels, and the rows of its two files, (N, 8) in file order."""

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
    """Folders of VisDrone text files and {stem: (width, height)} -> all frames of the annotation folder.

    An image without a detection file has no detections. Files other than *.txt are not looked at.

    Raises:
        FileNotFoundError: A folder is missing, there is no annotation, or no detection file fits one.
        ValueError: An image has no size, or a row cannot be read.
    """
    annotation_files = _text_files(Path(annotations), "annotations")
    detection_files = _text_files(Path(detections), "detections")
    if not annotation_files:
        raise FileNotFoundError(f"annotations: no *.txt file in {annotations}; expected one per image of the split")
    stray = [stem for stem in detection_files if stem not in annotation_files]
    if stray and len(stray) == len(detection_files):
        raise FileNotFoundError(
            f"detections: none of the {len(stray)} files in {detections} is named like an annotation: {_some(stray)}"
            f" against {_some(annotation_files)}; a detection file has the name of its image's annotation file"
        )
    unsized = [stem for stem in annotation_files if stem not in sizes]
    if unsized:
        raise ValueError(
            f"image sizes: {len(unsized)} of {len(annotation_files)} annotated images have none: {_some(unsized)};"
            " ignored regions need the size of every image, so add these images or their CSV rows"
        )
    frames = tuple(
        Frame(
            stem,
            *sizes[stem],
            read(path),
            read(detection_files[stem]) if stem in detection_files else np.empty((0, 8)),
        )
        for stem, path in annotation_files.items()
    )
    missing = [stem for stem in annotation_files if stem not in detection_files]
    return Submission(frames, tuple(_warnings(frames, missing, stray)))


def _text_files(folder: Path, role: str) -> dict[str, Path]:
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise FileNotFoundError(f"{role}: expected a folder of *.txt files at {folder}, found {found} there")
    # By full name, as the toolkit lists them ("a-1.txt" before "a.txt"): the order decides between equal scores.
    return {path.stem: path for path in sorted(folder.glob("*.txt"), key=lambda path: path.name)}


def _warnings(frames: Sequence[Frame], missing: list[str], stray: list[str]) -> Iterator[str]:
    unsorted = [frame.stem for frame in frames if (np.diff(frame.detections[:, 4]) > 0).any()]
    long = [frame.stem for frame in frames if len(frame.detections) > MOST_ROWS]
    found = np.concatenate([frame.detections[:, 5] for frame in frames])
    annotated = np.concatenate([frame.annotations for frame in frames])
    regions = annotated[annotated[:, 5] == IGNORED_REGION, :4]
    odd_found = int((~np.isin(found, np.arange(1, len(NAMES) + 1))).sum())
    odd_annotated = int((~np.isin(annotated[:, 5], np.arange(OTHERS + 1))).sum())
    fractional = int((regions % 1 != 0).any(1).sum())
    if missing:
        yield f"images without a detection file, counted as without detections: {len(missing)} ({_some(missing)})"
    if stray:
        yield f"detection files without an annotation file, not used: {len(stray)} ({_some(stray)})"
    if unsorted:
        yield (
            f"detection files not sorted by falling score: {len(unsorted)} ({_some(unsorted)});"
            f" the protocol takes the first 1, 10, 100 and {MOST_ROWS} rows in file order"
        )
    if long:
        yield (
            f"detection files with more than {MOST_ROWS} rows: {len(long)} ({_some(long)});"
            f" rows after the first {MOST_ROWS} outside the ignored regions were not used"
        )
    if odd_found:
        yield (
            f"detections with a category other than 1..{len(NAMES)}: {odd_found};"
            f" no class evaluates them, yet they count among the first {MOST_ROWS} rows"
        )
    if odd_annotated:
        yield f"annotations with a category other than 0..{OTHERS}: {odd_annotated}; no class evaluates them"
    if fractional:
        yield f"ignored regions not in whole pixels, rounded: {fractional}; the official toolkit stops at them"


def _some(stems: Sequence[str]) -> str:
    names = list(stems)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
