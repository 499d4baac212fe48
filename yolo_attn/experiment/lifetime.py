"""A process that ends with its parent, and with it every process that it started, on every platform."""

import os
import threading
from contextlib import suppress

import psutil


def end_with_parent() -> None:
    """End this process and those it started as soon as its standard input closes.

    The parent holds the other end of that pipe and never writes; the system closes it when the parent ends, however it ends.
    """
    threading.Thread(target=_watch_standard_input, daemon=True).start()


def _watch_standard_input() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    end_process_tree()


def end_process_tree() -> None:
    """Kill the processes that this one started, theirs too, and then this one."""
    process = psutil.Process()
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has ended by itself
            child.kill()
    process.kill()
