"""A function over many tasks, on every core."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor


def each(function: Callable, tasks: Sequence, progress: Callable[[Sequence, str], Iterable], title: str) -> list:
    """The function's result for every task, in order; the first error ends it.

    Args:
        function: Of one task; a function of a module or a `partial` of one, as it is sent to other processes.
        tasks: Its arguments.
        progress: Wraps the tasks, given the title, as tqdm does.
        title: What the progress bar says.
    """
    workers = os.cpu_count() or 1
    # Elsewhere new processes import the caller's script again, which is not ours to require it to be ready for.
    if workers == 1 or sys.platform != "linux" or len(tasks) == 1:
        return [function(task) for task in progress(tasks, title)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), initializer=_as_worker) as pool:
        try:
            results = pool.map(function, tasks)
            return [next(results) for _ in progress(tasks, title)]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _as_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the first one ends all
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process when its parent was killed; workers of a pool wait for tasks for ever."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
