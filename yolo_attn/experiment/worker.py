"""The process of a run: `launch.work` starts it as `python -m yolo_attn.experiment.worker FOLDER`.

It is a file of few imports, so that it ends with its parent and holds its folder from the first moment on. The lock of that
folder is the lease of the run: wherever a second process is given the same run, it waits until the first has ended. The
system releases a lock with its process; of a computer that is gone, the file server does, NFS 4 after 90 seconds.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from yolo_attn.experiment.launch import record
from yolo_attn.storage import folder_lock

PATIENCE = 180.0  # seconds for another worker of the same run to end, or for a file server to give up a lost computer


def start(folder: Path, work: Callable[[Path], None]) -> None:
    """Do `work` on the folder of a run and hold it meanwhile, unless its record is there by then; end with the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with folder_lock(
        folder, f"{folder}: another process still does this run; start the benchmark again later", PATIENCE
    ):
        if record(folder) is None:
            work(folder)


def _end_with_parent() -> None:
    """Kill this process and all that it started as soon as its standard input closes, on every platform.

    The parent holds the other end of that pipe and never writes; the system closes it when the parent ends, however it ends.
    """
    with suppress(OSError):
        while os.read(0, 1):
            pass
    process = psutil.Process()
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has ended by itself
            child.kill()
    process.kill()


def _finish(folder: Path) -> None:
    from yolo_attn.experiment.training import finish  # takes seconds

    finish(folder)


if __name__ == "__main__":
    start(Path(sys.argv[1]), _finish)
