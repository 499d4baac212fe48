"""Calls a function for many items in threads, for work that waits for files or runs in C."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[Sequence[Any], str], Iterable[Any]]  # wraps items, given a title, as tqdm does


def no_progress(items: Sequence[Any], title: str) -> Iterable[Any]:
    """items -> items, without a progress bar."""
    return items


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], progress: Progress, title: str
) -> list[Result]:
    """Return function(item) for every item, in order; the first error cancels what has not started.

    Threads, not processes: they end with the program on every platform, need no `if __name__ == "__main__"` in the
    caller's script, and cost nothing to start. For small files they are as fast, as most of the time goes into system
    calls.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(function, item) for item in items]
        bar = iter(progress(futures, title))
        try:
            return [future.result() for future in bar]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            if hasattr(bar, "close"):
                bar.close()  # else the last state of the bar is printed behind the error
            raise
