"""The files that training reads beside the images of a split, made from annotations and image sizes: labels and ignored regions."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import NAMES, line_number, read
from yolo_attn.visdrone.labels import RowError, yolo_labels
from yolo_attn.visdrone.prepared_files import FileOutcome, PreparedFiles
from yolo_attn.visdrone.sizes import image_size
from yolo_attn.yolo_format.rows import rows_text


@dataclass(frozen=True, eq=False)
class LabelOutcome:
    """The labels and ignored regions of one image, or why there are none."""

    refused: str = ""  # a sentence on why there are none; empty if there are
    boxes: np.ndarray = field(default_factory=lambda: np.zeros(len(NAMES), int))  # (10,) labels by class
    reasons: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # (N,) Reason to leave each row out, or 0
    regions: int = 0  # ignored regions
    labels: FileOutcome = field(default_factory=FileOutcome)
    ignored: FileOutcome = field(default_factory=FileOutcome)


@dataclass(frozen=True)
class LabelWriter:
    """Makes the label files and the files of ignored regions of a split."""

    folder: Path  # the split's folder, with images/ and annotations/
    labels: PreparedFiles
    ignored: PreparedFiles

    def write(self, pairs: Sequence[tuple[str, str]]) -> list[LabelOutcome]:
        """Make the files of (image, annotation) file names; one that cannot be read does not stop the others."""
        try:
            made = self._make(pairs)
        except (ValueError, OSError) as error:
            if len(pairs) > 1:
                return [outcome for pair in pairs for outcome in self.write([pair])]
            if isinstance(error, OSError) and error.filename:
                return [LabelOutcome(refused=f"{error.filename}: {error.strerror}")]
            return [LabelOutcome(refused=str(error))]
        return [self._write(annotation, *parts) for (_, annotation), parts in zip(pairs, made, strict=True)]

    def _make(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return each image's labels (M, 5), its ignored regions (K, 4), and the reasons (N,) why rows are left out."""
        # One pass over the rows of many files and strings for paths save time.
        sizes = [image_size(os.path.join(self.folder, "images", image), upright=True) for image, _ in pairs]
        rows = [read(os.path.join(self.folder, "annotations", annotation)) for _, annotation in pairs]
        starts = np.cumsum([0, *map(len, rows)])
        image = np.repeat(np.arange(len(pairs)), np.diff(starts))
        try:
            width, height = np.array(sizes)[image].T
            yolo = yolo_labels(np.concatenate(rows), width, height, image)
        except RowError as error:
            path = os.path.join(self.folder, "annotations", pairs[image[error.row]][1])
            line = line_number(path, error.row - starts[image[error.row]])
            raise ValueError(f"{path}, line {line}: {error.problem}") from error
        labels = np.split(yolo.labels, np.searchsorted(yolo.rows, starts[1:-1]))
        regions = np.split(yolo.regions, np.searchsorted(yolo.region_rows, starts[1:-1]))
        return list(zip(labels, regions, np.split(yolo.reasons, starts[1:-1]), strict=True))

    def _write(self, annotation: str, labels: np.ndarray, regions: np.ndarray, reasons: np.ndarray) -> LabelOutcome:
        stem = annotation.rpartition(".")[0]
        return LabelOutcome(
            boxes=np.bincount(labels[:, 0].astype(int), minlength=len(NAMES)),
            reasons=reasons,
            regions=len(regions),
            labels=self.labels.write(stem, rows_text(labels).encode()),
            ignored=self.ignored.write(stem, rows_text(regions).encode()),
        )
