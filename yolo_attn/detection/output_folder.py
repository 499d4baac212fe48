"""A folder of results in which nothing is replaced but what an earlier run wrote there, and every file is whole."""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

JOURNAL = "yolo-attn-outputs.jsonl"
HEADER = {"written by": "yolo-attn predict"}
FIRST_NUMBER = "0000001"
MOST_NAMED = 5  # clashes in one message


@dataclass(frozen=True)
class Output:
    """A file that will be written, or a numbered series of files.

    Attributes:
        name: Its name; that of the first file of a series.
        source: The input that it comes from; None if from all.
        numbered: Whether it is a series, with FIRST_NUMBER in its name.
    """

    name: str
    source: Path | None
    numbered: bool = False

    def covers(self, name: str) -> bool:
        """Return whether a file of this name is the output or one of its series, whatever its capitals."""
        own, name = self.name.casefold(), name.casefold()
        if not self.numbered:
            return name == own
        before, after = map(re.escape, own.rsplit(FIRST_NUMBER, 1))
        return bool(re.fullmatch(rf"{before}\d{{7,}}{after}", name))


class OutputFolder:
    """A folder with a journal of what is written into it: the name and the SHA-256 of every file.

    Args:
        path: The folder; it appears with the first file.

    Raises:
        FileExistsError: It is a file, or its journal is damaged or somebody else's.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path}: is a file; name a folder for the results")
        self.journal = self.path / JOURNAL
        self._digests = self._read_journal()

    def require_free(self, outputs: Iterable[Output]) -> None:
        """Check that the outputs replace nothing but what an earlier run wrote, and that no two share a name.

        Names that differ in capitals only count as the same: on Windows and macOS they are.

        Raises:
            FileExistsError: They do not; the message names the first clashes.
        """
        outputs = list(outputs)
        series = [output for output in outputs if output.numbered]
        by_name = {output.name.casefold(): output for output in outputs}
        clashes = []
        for output in outputs:
            for other in {by_name[output.name.casefold()], *(entry for entry in series if entry.covers(output.name))}:
                if other.source != output.source:
                    clashes.append(f"{output.source} and {other.source} would both become {self.path / output.name}")
        inputs = {output.source.resolve() for output in outputs if output.source}
        for file in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            if file.name.casefold() not in by_name and not any(output.covers(file.name) for output in series):
                continue
            if file.resolve() in inputs:
                clashes.append(f"{file} is itself an input")
            elif not self._is_own(file):
                clashes.append(f"{file} was not written by an earlier run, or was changed since")
        if clashes:
            more = f"; and {len(clashes) - MOST_NAMED} more" if len(clashes) > MOST_NAMED else ""
            raise FileExistsError(
                f"predict: {'; '.join(clashes[:MOST_NAMED])}{more}. Nothing was written; name another folder with --out"
            )

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Give a path to write to; see `atomic_path`."""
        with atomic_path(self.path / name) as draft:
            yield draft
            self._record(name, _digest(draft))  # first: no file of a killed run is without its record

    def _record(self, name: str, digest: str) -> None:
        if digest in self._digests[name]:
            return
        with self.journal.open("a", encoding="utf-8", newline="\n") as journal:
            if not journal.tell():
                journal.write(json.dumps(HEADER))
            journal.write("\n" + json.dumps({"file": name, "sha256": digest}))
        self._digests[name].add(digest)

    def _read_journal(self) -> defaultdict[str, set[str]]:
        digests: defaultdict[str, set[str]] = defaultdict(set)
        if not self.journal.exists():
            return digests
        try:
            header, *lines = self.journal.read_text(encoding="utf-8").splitlines()
            if json.loads(header) != HEADER:
                raise ValueError("its first line is another")
        except (OSError, ValueError) as error:
            raise FileExistsError(
                f"{self.journal}: damaged, or no journal of yolo-attn predict ({error}); name another folder with --out"
            ) from error
        for line in lines:
            try:
                entry = json.loads(line)
                digests[entry["file"]].add(entry["sha256"])
            except (ValueError, KeyError, TypeError):  # cut when the disk was full: its file counts as somebody else's
                continue
        return digests

    def _is_own(self, file: Path) -> bool:
        return file.is_file() and file.name in self._digests and _digest(file) in self._digests[file.name]


@contextmanager
def atomic_path(file: Path) -> Iterator[Path]:
    """Give a path to write to; the file there becomes `file` when the block ends without an error, and else goes.

    Raises:
        OSError: It cannot be written, because the disk is full or the folder read-only.
    """
    name = hashlib.sha256(file.name.encode()).hexdigest()[:16]  # nobody else's, never too long, the same in every run
    draft = file.with_name(f".yolo-attn-{name}{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        os.replace(draft, file)
    except OSError as error:
        # Another file may be written while this one is open; its error says its own name.
        own = {None, *map(str, (draft, file, *file.parents))}
        if error.errno is None or error.filename not in own:
            raise
        raise OSError(f"{file}: cannot be written ({error.strerror})") from error
    finally:
        if draft.is_file():
            draft.unlink()


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
