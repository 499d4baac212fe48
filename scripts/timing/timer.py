"""Calls that take turns, so that what else the machine does falls on all alike; ratios within a round; peak memory."""

import statistics
import time
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
WARM_UP = 2

Call = Callable[[], object]
T = TypeVar("T")


def milliseconds(call: Call) -> float:
    """The time of one call: on a GPU until it is done, on a CPU that of the process, so that waiting for other programs does not count.

    The latter says what one thread takes: the caller sets the number of threads to one.
    """
    if CUDA:
        torch.cuda.synchronize()
        return 1e3 * seconds(lambda: (call(), torch.cuda.synchronize()))
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e3


def seconds(call: Call) -> float:
    """The time of one call on the clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(
    calls: Mapping[str, T], rounds: int, timer: Callable[[T], float] = milliseconds
) -> dict[str, list[float]]:
    """{name: time of each round}; in each round every call has one turn, and every other round goes backwards.

    Args:
        calls: What to time.
        rounds: How often, after WARM_UP rounds that do not count.
        timer: Runs one entry of `calls` and returns its time.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        for name in list(calls)[:: 1 if number % 2 else -1]:
            taken = timer(calls[name])
            if number >= WARM_UP:
                times[name].append(taken)
    return times


def spread(times: list[float], base: list[float] | None = None) -> dict[str, float]:
    """Median and quartiles, and the ratio to `base` if it is given, as a cell of a table."""
    low, median, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
    cell = {"median": median, "low": low, "high": high}
    cell |= {} if base is None else {"ratio": ratio(times, base)}
    return {key: round(value, 3) for key, value in cell.items()}


def ratio(times: list[float], base: list[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(taken / reference for taken, reference in zip(times, base, strict=True))


def peak(call: Call) -> int:
    """The most bytes that one call had taken from torch's allocator at a time, beyond those before it."""
    call()
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
