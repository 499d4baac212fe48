"""The label files of a split: made from annotations and image sizes, never over labels that someone corrected."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.annotations import NAMES, line_number, read
from yolo_attn.visdrone.labels import RowError, yolo_labels
from yolo_attn.visdrone.sizes import image_size
from yolo_attn.yolo_format.rows import rows_text

DIGESTS = "labels.sha256"  # of the files as they were written; `sha256sum -c` reads it


@dataclass(frozen=True, eq=False)
class LabelOutcome:
    """The labels of one image, or why there are none."""

    refused: str = ""  # a sentence on why there are no labels; empty if there are
    boxes: np.ndarray = field(default_factory=lambda: np.zeros(len(NAMES), int))  # (10,) labels by class
    reasons: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # (N,) Reason to leave each row out, or 0
    digest: str = ""  # SHA-256 of the label file, if `prepare` wrote it
    written: bool = False  # whether this run wrote the label file
    kept: bool = False  # whether the file holds something that `prepare` did not write, and stayed


@dataclass(frozen=True)
class LabelWriter:
    """Makes the label files of a split."""

    folder: Path  # the split's folder, with images/ and annotations/
    first: bool  # whether there are no labels yet: they are written to a draft folder, of which no file counts
    digests: Mapping[str, str]  # {stem: SHA-256} of the label files that were written before
    overwrite: bool  # replace label files that `prepare` did not write, too

    @property
    def labels(self) -> Path:
        """Folder of the label files; all of them appear at once the first time, later each by itself."""
        return self.folder / ("labels.partial" if self.first else "labels")

    def write(self, pairs: Sequence[tuple[str, str]]) -> list[LabelOutcome]:
        """Make the label files of (image, annotation) file names; one that cannot be read does not stop the others."""
        try:
            labels = self._make(pairs)
        except (ValueError, OSError) as error:
            if len(pairs) > 1:
                return [outcome for pair in pairs for outcome in self.write([pair])]
            if isinstance(error, OSError) and error.filename:
                return [LabelOutcome(refused=f"{error.filename}: {error.strerror}")]
            return [LabelOutcome(refused=str(error))]
        return [self._write(annotation, *made) for (_, annotation), made in zip(pairs, labels, strict=True)]

    def _make(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return each image's labels (M, 5), and the reasons (N,) why rows are left out."""
        # One pass over the rows of many files and strings for paths save time.
        sizes = [image_size(os.path.join(self.folder, "images", image)) for image, _ in pairs]
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
        return list(zip(labels, np.split(yolo.reasons, starts[1:-1]), strict=True))

    def _write(self, annotation: str, labels: np.ndarray, reasons: np.ndarray) -> LabelOutcome:
        stem = annotation.rpartition(".")[0]
        path, content = os.path.join(self.labels, f"{stem}.txt"), rows_text(labels).encode()
        before = None if self.first else _content(path)
        digest, known = hashlib.sha256(content).hexdigest(), self.digests.get(stem, "")
        kept = not (before in (None, content) or self.overwrite or hashlib.sha256(before or b"").hexdigest() == known)
        written = before != content and not kept
        if written:
            self._put(path, content)
        return LabelOutcome(
            boxes=np.bincount(labels[:, 0].astype(int), minlength=len(NAMES)),
            reasons=reasons,
            digest=known if kept else digest,
            written=written,
            kept=kept,
        )

    def _put(self, path: str, content: bytes) -> None:
        if not self.first:
            remove_cache(self.folder)
            atomic_write(path, content)
            return
        try:  # no draft: the folder gets its name when every file in it is whole
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error  # a full disk is reported without a name


def remove_cache(folder: Path) -> None:
    """Remove what Ultralytics made from the labels before one of them changes.

    Ultralytics up to 8.3 knows its cache by the labels' paths and total size, and another class keeps both.
    """
    (folder / "labels.cache").unlink(missing_ok=True)


def read_digests(folder: Path) -> dict[str, str]:
    """Return {stem: SHA-256} of the label files that a preparation wrote in a split's folder."""
    lines = (_content(folder / DIGESTS) or b"").decode("utf-8", errors="replace").splitlines()
    entries = (line.partition("  labels/") for line in lines)
    return {name.removesuffix(".txt"): digest for digest, _, name in entries}


def write_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Note what `read_digests` returns, if it is not noted already."""
    if digests != read_digests(folder):
        lines = (f"{digest}  labels/{stem}.txt\n" for stem, digest in digests.items())
        atomic_write(folder / DIGESTS, "".join(lines), durable=True)


def _content(path: str | Path) -> bytes | None:
    """Return the content of a file, None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
