"""A folder of results in which nothing is replaced but what an earlier run wrote there, and every file is whole."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from yolo_attn.storage import atomic_path, digest

JOURNAL = "yolo-attn-outputs.jsonl"
HEADER = '{"written by": "yolo-attn predict"}'
ANY_FRAME = "_<number>.txt"  # end of the names of a video's detection files; only reading it tells how many there are
MAX_NAMED = 5  # clashes in one message


class OutputFolder:
    """A folder with a journal of what is written into it: a line with the name and the SHA-256 of every file.

    The folder appears with the first file.

    Raises:
        FileExistsError: It is a file, or its journal is damaged or from another program.
        OSError: The journal cannot be read.
    """

    def __init__(self, path: Path):
        self.path, self.journal = path, path / JOURNAL
        if path.exists() and not path.is_dir():
            raise FileExistsError(f"{path}: is a file; name a folder for the results")
        text = self.journal.read_text(encoding="utf-8", errors="replace") if self.journal.exists() else HEADER
        header, *lines = text.split("\n")
        if header != HEADER:
            raise FileExistsError(
                f"{self.journal}: damaged, or no journal of yolo-attn predict; name another folder with --out"
            )
        self._lines = set(lines)  # a line that a full disk cut off fits no file, as if it had no line

    def require_free(self, outputs: Sequence[tuple[str, Path | None]]) -> None:
        """Check that outputs replace nothing but what an earlier run wrote, and that no two inputs share one.

        Names that differ in capitals only count as the same: on Windows and macOS they are.

        Args:
            outputs: The name of each file, and the input that it comes from; None if from all. The name ends in ANY_FRAME
                where it stands for a file for each frame of a video.

        Raises:
            FileExistsError: Files are in the way; the message names the first.
        """
        sources: dict[str, Path | None] = {}
        for name, source in outputs:
            sources.setdefault(name.casefold(), source)
        clashes = [
            f"{source} and {sources[key]} would both become {self.path / name}"
            for name, source in outputs
            for key in sorted(_keys(name))
            if sources.get(key, source) != source
        ]
        inputs = {source.resolve() for source in sources.values() if source}
        for file in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            if sources.keys().isdisjoint(_keys(file.name)):
                continue
            if file.resolve() in inputs:
                clashes.append(f"{file} is itself an input")
            elif not (file.is_file() and _line(file.name, file) in self._lines):
                clashes.append(f"{file} was not written by an earlier run, or was changed since")
        if clashes:
            more = f"; and {len(clashes) - MAX_NAMED} more" if len(clashes) > MAX_NAMED else ""
            raise FileExistsError(
                f"predict: {'; '.join(clashes[:MAX_NAMED])}{more}. Nothing was written; name another folder with --out"
            )

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Give a path to write to; the file becomes `name` when the block ends. See `atomic_path`."""
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path / name) as draft:
            yield draft
            line = _line(name, draft)
            if line not in self._lines:  # recorded first: no file of a killed run lacks its line
                with self.journal.open("a", encoding="utf-8", newline="\n") as journal:
                    journal.write(f"\n{line}" if journal.tell() else f"{HEADER}\n{line}")
                self._lines.add(line)


def _keys(name: str) -> set[str]:
    """Return the name without capitals, and with ANY_FRAME for the number of a frame."""
    name = name.casefold()
    return {name, re.sub(r"_\d{7,}\.txt$", ANY_FRAME, name)}


def _line(name: str, file: Path) -> str:
    return json.dumps({"file": name, "sha256": digest(file)})
