"""A file with one JSON record per line that survives a kill at any moment."""

import json
import os
from pathlib import Path


def read(path: Path) -> list[dict]:
    """The records; none if there is no file. A last line without its end is what a killed writer left, and is no record.

    Raises:
        ValueError: A line is no JSON record.
    """
    if not path.is_file():
        return []
    records = []
    *lines, _cut = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"{path}:{number}: not a JSON record ({error}); remove the line, its run is then made again"
            ) from error
    return records


def append(path: Path, record: dict) -> None:
    """Adds a record: one write of one line, on the disk when this returns."""
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        content = os.pread(handle, os.fstat(handle).st_size, 0)
        whole = content.rfind(b"\n") + 1
        os.ftruncate(handle, whole)  # the cut line of a killed writer
        os.pwrite(handle, line, whole)
        os.fsync(handle)
    finally:
        os.close(handle)
