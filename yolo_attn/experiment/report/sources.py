"""Links from the page to the files that its numbers are from."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from yolo_attn.experiment.launch import LOG, RECORD
from yolo_attn.experiment.report.folders import Recorded, Run


@dataclass(frozen=True)
class Source:
    """A run's record, seen from the page."""

    run: Run
    record: str  # address of the record in the run's folder; empty if it is not there any more, as the next
    log: str
    journal: str  # address
    line: int  # of the journal, from 1
    digest: str  # SHA-256 of that line

    @property
    def title(self) -> str:
        return f"{self.run[0]}, seed {self.run[1]}"

    @property
    def short(self) -> str:
        return self.digest[:12]


def sources(recorded: Iterable[Recorded], page: Path) -> list[Source]:
    """Finished runs -> where their records are, seen from the page's folder."""
    return [
        Source(
            run=(entry.run.model, entry.run.seed),
            record=_address_if_there(entry.folder / RECORD, page),
            log=_address_if_there(entry.folder / LOG, page),
            journal=address(entry.journal, page),
            line=entry.line.number,
            digest=entry.line.digest,
        )
        for entry in recorded
    ]


def address(file: Path, page: Path) -> str:
    """The address of a file relative to the page, so that a folder can be moved as a whole."""
    try:
        return quote(Path(os.path.relpath(file.resolve(), page.parent.resolve())).as_posix())
    except ValueError:  # another drive on Windows
        return file.resolve().as_uri()


def _address_if_there(file: Path, page: Path) -> str:
    return address(file, page) if file.is_file() else ""
