"""Train several models with several seeds, each run in a process of its own, and measure them all in the same way.

The folder of an experiment:

    settings.json     what every run has in common, and a digest of each model
    models/           the model YAMLs as they were
    runs/NAME-seedN/  Ultralytics' folder of a run, with log.txt, detections/ and record.json
    runs.jsonl        one record per run that ended
    table.md, table.csv, *.png, statistics.json
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from yolo_attn.experiment import journal, launch, plots, settings, statistics_table, tables
from yolo_attn.experiment.plan import Experiment, Plan, check
from yolo_attn.experiment.records import FailedRun, FinishedRun, Outcome, Task
from yolo_attn.storage import atomic_write, folder_lock

JOURNAL = "runs.jsonl"
PATIENCE = 30.0  # seconds for the worker of a killed benchmark to end; on a busy machine it needs a few


def run(experiment: Experiment, log: Callable[[str], None] = print) -> Outcome:
    """Do every run that is not finished in `out`, seed by seed, each model in turn. A run that fails does not stop the others.

    May be killed and started again: finished runs stay, the interrupted run resumes after its last epoch, failed runs are tried again. A
    resumed training draws other random numbers than an undisturbed one; its record says after which epoch. Tables are
    written after every run, plots at the end.

    Args:
        experiment: What to compare. More models and seeds may be added to a folder later.
        log: Called with each line of progress.

    Raises:
        FileNotFoundError: A model or the data set is not there.
        FileExistsError: `out` holds runs of other settings, or another process works there.
        ValueError: A file is of the wrong kind, or an argument is not one of Ultralytics' training, or is given twice.
    """
    plan = check(experiment)
    with _lock(experiment.out):
        settings.require_same(experiment, plan)
        (experiment.out / "models").mkdir(exist_ok=True)
        for name, text in plan.texts.items():
            atomic_write(_model_file(experiment, name), text)
        _check_data_set(plan.data)  # once, before the first run: it may fetch or draw the data set
        outcome = _do_runs(experiment, plan, log)
        plots.write(experiment.out, outcome.models, outcome.runs)
        outcome = statistics_table.extend(experiment.out, plan.data, outcome)
    return outcome


def _do_runs(experiment: Experiment, plan: Plan, log: Callable[[str], None]) -> Outcome:
    entries = journal.read(experiment.out / JOURNAL)
    for sentence in entries.damaged:
        log(sentence)
    finished = {(run.model, run.seed): run for run in entries.runs if isinstance(run, FinishedRun)}
    failed: list[FailedRun] = []
    planned = [(name, seed) for seed in experiment.seeds for name in plan.texts]

    def write_tables() -> Outcome:
        runs = tuple(finished[key] for key in planned if key in finished)
        outcome = Outcome(models=tuple(plan.texts), runs=runs, failed=tuple(failed))
        return replace(outcome, table=tables.write(experiment.out, experiment.command, outcome))

    outcome = write_tables()
    for number, (name, seed) in enumerate(planned, 1):
        title = f"[{number}/{len(planned)}] {name}, seed {seed}"
        if (name, seed) in finished:
            log(f"{title}: is finished")
            continue
        folder = (experiment.out / "runs" / f"{name}-seed{seed}").resolve()
        log(f"{title}: {folder / launch.LOG}")
        start = time.monotonic()
        run = launch.work(folder, _task(experiment, plan, name, seed))
        journal.append(experiment.out / JOURNAL, run)
        if isinstance(run, FinishedRun):
            finished[name, seed] = run
            scores = ", ".join(f"{key} {value:.2f}" for key, value in run.scores.items() if value is not None)
            log(f"{title}: {scores} in {time.monotonic() - start:.0f} s")
        else:
            failed.append(run)
            log(f"{title}: FAILED, {run.error}")
        outcome = write_tables()
    return outcome


def _task(experiment: Experiment, plan: Plan, name: str, seed: int) -> Task:
    model, training = str(_model_file(experiment, name).resolve()), dict(experiment.training)
    if plan.checkpoint:
        training["pretrained"] = str(plan.checkpoint)
    return Task(name=name, model=model, data=str(plan.data), seed=seed, epochs=experiment.epochs, training=training)


def _model_file(experiment: Experiment, name: str) -> Path:
    return experiment.out / "models" / f"{name}.yaml"


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Hold a folder against a second benchmark, and wait until the worker of a killed one, which holds runs/, has ended."""
    busy = f"{out}: another `yolo-attn bench` works there; wait for it, or name another folder"
    (out / "runs").mkdir(parents=True, exist_ok=True)
    with folder_lock(out, busy, PATIENCE):
        with folder_lock(out / "runs", busy, PATIENCE):
            pass
        yield


def _check_data_set(data: Path) -> None:
    from ultralytics.data.utils import check_det_dataset

    try:
        check_det_dataset(str(data))
    except (SyntaxError, RuntimeError) as error:  # what Ultralytics raises for a data YAML that says too little
        raise ValueError(f"bench: {data}: {str(error).strip()}") from error
