"""The process of a run, as the runner starts it."""

import signal
import subprocess
import sys
from pathlib import Path

from yolo_attn.experiment.records import FailedRun, FinishedRun, Task
from yolo_attn.storage import atomic_write

WORKER = (sys.executable, "-m", "yolo_attn.experiment.worker")
TASK, RECORD, LOG = "task.json", "record.json", "log.txt"  # in the folder of a run


def work(folder: Path, task: Task) -> FinishedRun | FailedRun:
    """Train and measure in a process of its own, unless the folder has the record of that already.

    Args:
        folder: The folder of the run.
        task: What to train.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record, log = folder / RECORD, folder / LOG
    if made := _read(record):  # a kill fell between the record and its line in the journal
        return made
    record.unlink(missing_ok=True)
    atomic_write(folder / TASK, task.to_json())
    with log.open("ab") as output:  # standard input tells the worker by closing that this process has ended
        command = [*WORKER, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT) as process:
            process.wait()
    made = _read(record) if process.returncode == 0 else None
    return made or FailedRun(model=task.name, seed=task.seed, error=_error(process.returncode, log), log=str(log))


def _read(record: Path) -> FinishedRun | None:
    """The record in a file; None where it is absent or damaged, which costs the run's measurement and not its training."""
    try:
        return FinishedRun.from_json(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _error(code: int, log: Path) -> str:
    """The last line of a log, and the signal that ended the process if one did."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing was printed"
    if code >= 0:
        return last
    name = signal.Signals(-code).name
    killed = " (the system does so when memory runs out)" if name == "SIGKILL" else ""
    return f"ended by {name}{killed}; last line: {last}"
