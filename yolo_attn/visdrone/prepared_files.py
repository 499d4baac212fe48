"""Text files of one kind beside the images of a split, labels/ or ignored/: never written over what someone corrected."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yolo_attn.storage import atomic_write
from yolo_attn.yolo_format.rows import LABELS


@dataclass(frozen=True)
class FileOutcome:
    """The outcome of one file."""

    digest: str = ""  # SHA-256 of the file, if a preparation wrote it
    written: bool = False  # whether this run wrote it
    kept: bool = False  # whether it holds something that no preparation wrote, and stayed


@dataclass(frozen=True)
class PreparedFiles:
    """The files of one kind of a split."""

    split: Path  # the split's folder
    kind: str  # name of the folder in it
    first: bool  # whether there is no such folder yet: the files are written to a draft folder, of which no file counts
    digests: Mapping[str, str]  # {stem: SHA-256} of the files that were written before
    overwrite: bool  # replace files that no preparation wrote, too

    @classmethod
    def open(cls, split: Path, kind: str, overwrite: bool) -> "PreparedFiles":
        """Read what earlier preparations wrote, and make the draft folder if there is need of one."""
        files = cls(split, kind, not (split / kind).is_dir(), _read_digests(split / f"{kind}.sha256"), overwrite)
        files.folder.mkdir(exist_ok=True)
        return files

    @property
    def folder(self) -> Path:
        """Folder to write to; all files appear at once the first time, later each by itself."""
        return self.split / (f"{self.kind}.partial" if self.first else self.kind)

    def write(self, stem: str, content: bytes) -> FileOutcome:
        """Write a file unless it holds the content already, or what someone else wrote."""
        path = os.path.join(self.folder, f"{stem}.txt")  # strings for paths save time
        before = None if self.first else _content(path)
        digest, known = hashlib.sha256(content).hexdigest(), self.digests.get(stem, "")
        kept = not (before in (None, content) or self.overwrite or hashlib.sha256(before or b"").hexdigest() == known)
        written = before != content and not kept
        if written:
            self._put(path, content)
        return FileOutcome(digest=known if kept else digest, written=written, kept=kept)

    def _put(self, path: str, content: bytes) -> None:
        if not self.first:
            self._remove_cache()
            atomic_write(path, content)
            return
        try:  # no draft: the folder gets its name when every file in it is whole
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error  # a full disk is reported without a name

    def finish(self, outcomes: Mapping[str, FileOutcome]) -> None:
        """Note the digests of {stem: outcome}, in a file that `sha256sum -c` reads, and give a draft folder its name."""
        digests = {**self.digests, **{stem: outcome.digest for stem, outcome in outcomes.items() if outcome.digest}}
        if digests != self.digests:
            lines = (f"{digest}  {self.kind}/{stem}.txt\n" for stem, digest in digests.items())
            atomic_write(self.split / f"{self.kind}.sha256", "".join(lines), durable=True)
        if self.first:
            self._remove_cache()
            self.folder.rename(self.split / self.kind)

    def _remove_cache(self) -> None:
        """Remove what Ultralytics made from the labels before one of them changes.

        Ultralytics up to 8.3 knows its cache by the labels' paths and total size, and another class keeps both.
        """
        if self.kind == LABELS:
            (self.split / "labels.cache").unlink(missing_ok=True)


def _read_digests(path: Path) -> dict[str, str]:
    lines = (_content(path) or b"").decode("utf-8", errors="replace").splitlines()
    entries = (line.partition(f"  {path.stem}/") for line in lines)
    return {name.removesuffix(".txt"): digest for digest, _, name in entries}


def _content(path: str | Path) -> bytes | None:
    """Return the content of a file, None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
