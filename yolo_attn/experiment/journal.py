"""The file of an experiment's records: one line per run that ended, whole after a kill at any moment."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from yolo_attn.experiment.records import FailedRun, FinishedRun, run_from_json

NAME = "runs.jsonl"


@dataclass(frozen=True)
class Line:
    """A line of the file: its number, from 1, and the SHA-256 digest of its bytes without the line's end."""

    number: int
    digest: str


@dataclass(frozen=True)
class Journal:
    """The runs of the file, in the order in which they ended, and a sentence about each line that is no record."""

    runs: tuple[FinishedRun | FailedRun, ...] = ()
    damaged: tuple[str, ...] = ()
    lines: tuple[Line, ...] = field(default=(), compare=False)  # where each run stands in the file


def read(path: Path) -> Journal:
    """Read the records; none if there is no file. A last line without its end is what a killed writer left, and is no record."""
    if not path.is_file():
        return Journal()
    runs, damaged, places = [], [], []
    *lines, _cut = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            runs.append(run_from_json(line.decode("utf-8")))
            places.append(Line(number, hashlib.sha256(line).hexdigest()))
        except ValueError as error:
            damaged.append(f"{path}:{number}: is not the record of a run ({error}); the line is passed over")
    return Journal(runs=tuple(runs), damaged=tuple(damaged), lines=tuple(places))


def append(path: Path, run: FinishedRun | FailedRun) -> None:
    """Add a record behind the last whole line, and wait until it is on the disk. On an OSError the records before are unchanged."""
    line = run.to_json().encode("utf-8") + b"\n"
    path.touch()
    try:
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)  # the cut line of a killed writer goes
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk is reported without a name
