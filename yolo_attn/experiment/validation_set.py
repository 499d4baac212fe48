"""The validation pictures of a data set with their ground truth, and the detections that runs stored for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.submission import Frame
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES, read_sizes


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Pictures by stem, in the order of their names."""

    official: bool  # annotated in VisDrone's format
    classes: tuple[str, ...]  # category 1 and on
    images: dict[str, Path]
    sizes: dict[str, tuple[int, int]]  # width and height
    truth: dict[str, np.ndarray]  # (N, 8) rows, as in annotation files

    def frames(self, detections: Path) -> tuple[Frame, ...]:
        """Read the detection files of a run.

        Raises:
            FileNotFoundError: The run stored none.
            ValueError: They are of other pictures, or damaged.
        """
        files = {path.stem: path for path in detections.glob("*.txt")}
        if not files:
            raise FileNotFoundError(f"{detections}: holds no detections; runs of older versions stored none")
        missing, unknown = self.truth.keys() - files.keys(), files.keys() - self.truth.keys()
        if missing or unknown:
            picture, what = min(missing or unknown), "none for" if missing else "some for"
            raise ValueError(
                f"{detections}: holds detections of other pictures than the validation set, {what} {picture} and"
                f" {len(missing) + len(unknown) - 1:,} more; score the run on these pictures"
            )
        return tuple(
            Frame(stem, *self.sizes[stem], rows, annotations.read(files[stem])) for stem, rows in self.truth.items()
        )


def read_validation_set(data: Path) -> ValidationSet:
    """Read the validation set of a data YAML.

    Raises:
        FileNotFoundError: The YAML or its pictures are not there.
        ValueError: Two pictures share a stem, or a file is damaged.
    """
    from ultralytics.data.utils import check_det_dataset

    content = check_det_dataset(str(data), autodownload=False)
    folder = official_images(content)
    return _of_visdrone(folder) if folder else _of_labels(content)


def official_images(data: Mapping[str, Any]) -> Path | None:
    """The folder of validation images that have official annotations beside them; None if this is no VisDrone data set."""
    if not isinstance(data["val"], str) or not set(NAMES) <= {str(name) for name in data["names"].values()}:
        return None
    listed = Path(data["val"])
    folders = {listed}
    if listed.suffix == ".txt":
        lines = listed.read_text(encoding="utf-8").split("\n")
        folders = {(listed.parent / line.strip()).parent for line in lines if line.strip()}
    annotated = [folder.resolve() for folder in folders if any((folder.parent / "annotations").glob("*.txt"))]
    return annotated[0] if len(annotated) == len(folders) == 1 else None


def _of_visdrone(folder: Path) -> ValidationSet:
    # The toolkit sorts by name.
    files = sorted((folder.parent / "annotations").glob("*.txt"), key=lambda path: path.name)
    sizes = read_sizes(folder)
    images = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES}
    if unsized := [file.stem for file in files if file.stem not in sizes]:
        raise ValueError(f"{folder}: {len(unsized):,} annotated pictures are not there, such as {unsized[0]}; add them")
    truth = {file.stem: annotations.read(file) for file in files}
    return ValidationSet(
        official=True,
        classes=NAMES,
        images={stem: images[stem] for stem in truth},
        sizes={stem: sizes[stem] for stem in truth},
        truth=truth,
    )


def _of_labels(content: dict[str, Any]) -> ValidationSet:
    """Read a data set in YOLO format through Ultralytics, which leaves out pictures that it cannot read."""
    images: dict[str, Path] = {}
    sizes, truth = {}, {}
    for label in sorted(labels(content), key=lambda label: Path(label["im_file"]).stem):
        path, (height, width) = Path(label["im_file"]), label["shape"]
        if path.stem in images:
            raise ValueError(
                f"{path}: {images[path.stem]} has the same stem; one detection file cannot serve two images"
            )
        rows = np.zeros((len(label["cls"]), 8))
        rows[:, 2:4] = label["bboxes"][:, 2:] * (width, height)
        rows[:, :2] = label["bboxes"][:, :2] * (width, height) - rows[:, 2:4] / 2
        rows[:, 4], rows[:, 5] = 1, label["cls"][:, 0] + 1
        images[path.stem], sizes[path.stem], truth[path.stem] = path, (width, height), rows
    return ValidationSet(False, tuple(map(str, content["names"].values())), images, sizes, truth)


def labels(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The labels of the validation pictures, as Ultralytics reads them from a checked data YAML."""
    from ultralytics.data.dataset import YOLODataset

    return YOLODataset(img_path=content["val"], data=dict(content), task="detect", augment=False).labels
