"""Where runs are done: some at once on this machine, or on the nodes of a Ray cluster (cluster.py)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yolo_attn.experiment import launch
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.records import FailedRun, FinishedRun, Task


@dataclass(frozen=True)
class Place:
    """A place for runs."""

    at_once: int  # the number of runs that are handed over at a time
    work: Callable[[Path, Task], FinishedRun | FailedRun]  # do the run of a folder and wait for its end
    end: Callable[[], None]  # end the runs at work
    # raise what keeps it from doing these runs
    check: Callable[[Experiment, Plan], None] = lambda experiment, plan: None


@contextmanager
def this_machine(jobs: int) -> Iterator[Place]:
    """Give a place where `jobs` runs are done at once, each in a process of its own; they end with the block."""
    with launch.standard_input() as (reading, writing):
        yield Place(jobs, partial(launch.work, stdin=reading), writing.close)


@contextmanager
def waiting_threads(place: Place) -> Iterator[ThreadPoolExecutor]:
    """Give threads that hand runs to a place and wait for them.

    After an error or Ctrl-C in the block no run begins any more, and those at work are ended.
    """
    with ThreadPoolExecutor(place.at_once) as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            place.end()
            raise
