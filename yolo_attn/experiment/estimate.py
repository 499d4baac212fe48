"""The time of an experiment, from one measured epoch of each model."""

import csv
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yolo_attn.experiment.places import Place, waiting_threads
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.preparation import task
from yolo_attn.experiment.records import FailedRun


@dataclass(frozen=True)
class Duration:
    """Seconds of one epoch of a model, and of a whole run: start, all epochs, and measurement."""

    epoch: float
    run: float


def durations(experiment: Experiment, plan: Plan, place: Place, log: Callable[[str], None]) -> dict[str, Duration]:
    """Train each model for one epoch where its runs will be done, as many at once -> {model: duration}. Nothing of that is kept.

    Raises:
        ValueError: A model cannot be trained.
    """
    folder = (experiment.out / "one-epoch").resolve()  # on the storage that all machines see
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with waiting_threads(place) as threads:
            begun = {name: threads.submit(_measure, experiment, plan, place, folder, name, log) for name in plan.texts}
            return {name: future.result() for name, future in begun.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(
    experiment: Experiment, plan: Plan, place: Place, folder: Path, name: str, log: Callable[[str], None]
) -> Duration:
    log(f"{name}: one epoch to measure the time")
    start = time.monotonic()
    run = place.work(folder / name, replace(task(experiment, plan, name, experiment.seeds[0]), epochs=1))
    seconds = time.monotonic() - start
    if isinstance(run, FailedRun):
        raise ValueError(f"bench: {name} cannot be trained: {run.error}")
    with (folder / name / "results.csv").open(encoding="utf-8") as rows:
        heading, *values = csv.reader(rows)
    epoch = float(values[-1][[column.strip() for column in heading].index("time")])
    return Duration(epoch=epoch, run=seconds + (experiment.epochs - 1) * epoch)


def total(missing: Sequence[str], by_model: Mapping[str, Duration], at_once: int) -> float:
    """Seconds until the runs of the named models, one name for each run, are done in this order by `at_once` places."""
    free = [0.0] * at_once  # the time at which each place is free
    for name in missing:
        first = free.index(min(free))
        free[first] += by_model[name].run
    return max(free)
