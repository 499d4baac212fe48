"""Train several models with several seeds, each run in a process of its own, and measure them all in the same way.

The folder of an experiment:

    settings.json     what every run has in common, and a digest of each model
    models/           the model YAMLs as they were
    runs/NAME-seedN/  Ultralytics' folder of a run, with log.txt, detections/ and record.json
    runs.jsonl        one record per run that ended
    table.md, table.csv, *.png, statistics.json, report.html
"""

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager

from yolo_attn.experiment import launch, plots, statistics_table
from yolo_attn.experiment.places import Place, waiting_threads
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.preparation import prepared, task
from yolo_attn.experiment.records import FailedRun, FinishedRun, Outcome
from yolo_attn.experiment.results import Results


def run(
    experiment: Experiment, log: Callable[[str], None] = print, place: AbstractContextManager[Place] | None = None
) -> Outcome:
    """Do every run that is not finished in `out`, seed by seed, each model in turn. A run that fails does not stop the others.

    May be killed and started again: finished runs stay, interrupted runs resume after their last epoch, failed runs are tried again. A
    resumed training draws other random numbers than an undisturbed one; its record says after which epoch. Tables are
    written after every run, plots at the end.

    Args:
        experiment: What to compare. More models and seeds may be added to a folder later.
        log: Called with each line of progress, also from other threads.
        place: Where the runs are done; one after another on this machine if not given.

    Raises what `prepared` raises.
    """
    with prepared(experiment, place) as (plan, opened):
        outcome = _do_runs(experiment, plan, opened, log)
        plots.write(experiment.out, outcome.models, outcome.runs)
        outcome = statistics_table.extend(experiment.out, plan.data, outcome)
    return outcome


def _do_runs(experiment: Experiment, plan: Plan, place: Place, log: Callable[[str], None]) -> Outcome:
    def do(title: str, name: str, seed: int) -> tuple[str, FinishedRun | FailedRun, float]:
        folder = (experiment.out / "runs" / f"{name}-seed{seed}").resolve()
        log(f"{title}: {folder / launch.LOG}")
        start = time.monotonic()
        run = place.work(folder, task(experiment, plan, name, seed))
        return title, run, time.monotonic() - start

    results = Results(experiment, plan, log)
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()  # in the order in which runs end
    with waiting_threads(place) as threads:
        missing = 0
        for number, (name, seed) in enumerate(results.planned, 1):
            title = f"[{number}/{len(results.planned)}] {name}, seed {seed}"
            if (name, seed) in results.finished:
                log(f"{title}: is finished")
            else:
                threads.submit(do, title, name, seed).add_done_callback(ended.put)
                missing += 1
        for _ in range(missing):
            title, run, seconds = ended.get().result()
            results.add(run)
            log(f"{title}: {_result(run, seconds)}")
    return results.outcome


def _result(run: FinishedRun | FailedRun, seconds: float) -> str:
    if isinstance(run, FailedRun):
        return f"FAILED, {run.error}"
    scores = ", ".join(f"{key} {value:.2f}" for key, value in run.scores.items() if value is not None)
    return f"{scores} in {seconds:.0f} s"
