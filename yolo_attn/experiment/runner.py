"""Train several models with several seeds, each run in a process of its own, and measure them all in the same way.

The folder of an experiment:

    settings.json     what every run has in common, and a digest of each model
    models/           the model YAMLs as they were
    runs/NAME-seedN/  Ultralytics' folder of a run, with log.txt, detections/ and record.json
    runs.jsonl        one record per run that ended
    table.md, table.csv, *.png
"""

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from yolo_attn.experiment import launch, plots, settings
from yolo_attn.experiment.data_set import check_data_set, write_label_caches
from yolo_attn.experiment.places import Place, this_machine, waiting_threads
from yolo_attn.experiment.plan import Experiment, Plan, check
from yolo_attn.experiment.records import FailedRun, FinishedRun, Outcome, Task
from yolo_attn.experiment.results import Results
from yolo_attn.storage import atomic_write, folder_lock

PATIENCE = 120.0  # seconds for the runs of a killed benchmark to end, which a file server may hold for a lost computer


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

    Raises:
        FileNotFoundError: A model or the data set is not there.
        FileExistsError: `out` holds runs of other settings, or another process works there.
        ValueError: A file is of the wrong kind, or an argument is not one of Ultralytics' training, or is given twice.
    """
    plan = check(experiment)
    with _lock(experiment.out), place or this_machine(jobs=1) as opened:
        settings.require_same(experiment, plan)
        (experiment.out / "models").mkdir(exist_ok=True)
        for name, text in plan.texts.items():
            atomic_write(_model_file(experiment, name), text)
        data = check_data_set(plan.data)  # once, before the first run: it may fetch or draw the data set
        if opened.at_once > 1:
            write_label_caches(data, experiment.training)
        outcome = _do_runs(experiment, plan, opened, log)
        plots.write(experiment.out, outcome.models, outcome.runs)
    return outcome


def _do_runs(experiment: Experiment, plan: Plan, place: Place, log: Callable[[str], None]) -> Outcome:
    def do(title: str, name: str, seed: int) -> tuple[str, FinishedRun | FailedRun, float]:
        folder = (experiment.out / "runs" / f"{name}-seed{seed}").resolve()
        log(f"{title}: {folder / launch.LOG}")
        start = time.monotonic()
        run = place.work(folder, _task(experiment, plan, name, seed))
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


def _task(experiment: Experiment, plan: Plan, name: str, seed: int) -> Task:
    model, training = str(_model_file(experiment, name).resolve()), dict(experiment.training)
    if plan.checkpoint:
        training["pretrained"] = str(plan.checkpoint)
    return Task(
        name=name,
        model=model,
        data=str(plan.data),
        seed=seed,
        epochs=experiment.epochs,
        training=training,
        threads=experiment.cpus_per_run,
    )


def _model_file(experiment: Experiment, name: str) -> Path:
    return experiment.out / "models" / f"{name}.yaml"


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Hold a folder against a second benchmark, and wait until the runs of a killed one, which hold theirs, have ended."""
    busy = f"{out}: another `yolo-attn bench` works there; wait for it, or name another folder"
    (out / "runs").mkdir(parents=True, exist_ok=True)
    with folder_lock(out, busy, PATIENCE):
        for folder in sorted(path.parent for path in (out / "runs").glob("*/.lock")):
            with folder_lock(folder, busy, PATIENCE):
                pass
        yield
