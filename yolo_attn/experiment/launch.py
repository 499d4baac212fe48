"""The runner's side of a run: start its process, and read what became of it."""

import signal
import subprocess
import sys
from pathlib import Path

from yolo_attn.experiment.records import FailedRun, FinishedRun, Task
from yolo_attn.storage import atomic_write

WORKER = (sys.executable, "-m", "yolo_attn.experiment.worker")
TASK, RECORD, LOG = "task.json", "record.json", "log.txt"  # in the folder of a run


def work(folder: Path, task: Task) -> FinishedRun | FailedRun:
    """Train and measure in a process of its own, unless `folder` has the record of that already."""
    folder.mkdir(parents=True, exist_ok=True)
    if run := _record(folder):  # a kill fell between the record and its line in the journal
        return run
    atomic_write(folder / TASK, task.to_json())
    log = folder / LOG
    with log.open("ab") as output:  # standard input tells the worker by closing that this process has ended
        command = [*WORKER, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT) as process:
            code = process.wait()
    run = _record(folder) if code == 0 else None
    return run or FailedRun(model=task.name, seed=task.seed, error=_error(code, log), log=str(log))


def _record(folder: Path) -> FinishedRun | None:
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
