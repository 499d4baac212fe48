"""The process of a run, and the folder that only one benchmark may work in."""

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from yolo_attn.experiment import worker as child
from yolo_attn.storage import atomic_write

CHILD = (sys.executable, "-m", "yolo_attn.experiment.worker")
PATIENCE = 30.0  # seconds for the process of a killed benchmark to end; on a busy machine it needs a few


def result(folder: Path, task: Mapping, lock) -> dict:
    """What a run in a process of its own came to."""
    folder.mkdir(parents=True, exist_ok=True)
    made, log = folder / child.RECORD, folder / "log.txt"
    if not made.is_file():  # a kill can fall between a record and its line in the journal
        atomic_write(folder / child.TASK, (json.dumps(task, indent=2) + "\n").encode())
        # Its standard input says by ending that this process has; the lock is held until both have.
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*CHILD, str(folder)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
            with process:
                process.wait()
        if process.returncode:
            return {"status": "failed", "error": _error(process.returncode, log), "log": str(log)}
    return {"status": "finished"} | json.loads(made.read_text(encoding="utf-8"))


def _error(code: int, log: Path) -> str:
    """The last line of a log, and the signal that ended the process if one did."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing was printed"
    if code >= 0:
        return last
    killed = " (the system does so when memory runs out)" if -code == signal.SIGKILL else ""
    return f"ended by {signal.Signals(-code).name}{killed}; last line: {last}"


@contextmanager
def alone(out: Path) -> Iterator:
    """Holds the folder against a second benchmark. The system lets go when the last process that holds it ends, however it does."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise FileExistsError(
                        f"{out}: another `yolo-attn bench` works there; wait for it, or name another folder"
                    ) from None
                time.sleep(0.1)
        yield lock
