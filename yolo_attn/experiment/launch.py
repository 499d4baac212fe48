"""The runner's side of a run: start its process, and read what became of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from yolo_attn.experiment.records import FailedRun, FinishedRun, Task
from yolo_attn.storage import atomic_write

WORKER = (sys.executable, "-m", "yolo_attn.experiment.worker")
TASK, RECORD, LOG = "task.json", "record.json", "log.txt"  # in the folder of a run


@contextmanager
def standard_input() -> Iterator[tuple[int, IO[bytes]]]:
    """Give both ends of a pipe: the reading end for workers as standard input, and the writing end, which nobody writes.

    The writing end closes with the block, by hand, or when this process ends in whatever way; every worker then ends, too.
    """
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as held:
            yield reading, held
    finally:
        os.close(reading)


def work(folder: Path, task: Task, stdin: int, starts: int = 1) -> FinishedRun | FailedRun:
    """Train and measure in a process of its own, unless `folder` has the record of that already.

    Args:
        folder: Of the run.
        task: What to do.
        stdin: The reading end of `standard_input`.
        starts: How often the process may be started while a signal ends it, as when memory runs out; it resumes each time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if run := record(folder):  # a kill fell between the record and its line in the journal
        return run
    atomic_write(folder / TASK, task.to_json())
    log = folder / LOG
    command = [*WORKER, str(folder)]
    for _ in range(starts):
        with log.open("ab") as output:
            code = subprocess.run(command, stdin=stdin, stdout=output, stderr=subprocess.STDOUT).returncode
        if code >= 0:
            break
    run = record(folder) if code == 0 else None
    return run or FailedRun(model=task.name, seed=task.seed, error=_error(code, log), log=str(log))


def record(folder: Path) -> FinishedRun | None:
    """The record of a run; None where it is absent or damaged, which costs the run's measurement and not its training."""
    try:
        return FinishedRun.from_json((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _error(code: int, log: Path) -> str:
    """The last line of a log, and the signal that ended the process if one did."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing was printed")
    if code >= 0:
        return last
    name = signal.Signals(-code).name
    killed = " (the system does so when memory runs out)" if name == "SIGKILL" else ""
    return f"ended by {name}{killed}; last line: {last}"
