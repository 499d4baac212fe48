"""The folder of an experiment, held and made ready for runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from yolo_attn.experiment import settings
from yolo_attn.experiment.data_set import check_data_set, read_labels
from yolo_attn.experiment.places import Place, this_machine
from yolo_attn.experiment.plan import Experiment, Plan, check
from yolo_attn.experiment.records import Task
from yolo_attn.storage import atomic_write, folder_lock

PATIENCE = 120.0  # seconds for the runs of a killed benchmark to end, which a file server may hold for a lost computer


@contextmanager
def prepared(experiment: Experiment, place: AbstractContextManager[Place] | None) -> Iterator[tuple[Plan, Place]]:
    """Check an experiment, hold its folder, look at its data set, and write its settings and models.

    Args:
        experiment: What to compare.
        place: Where its runs are done; one after another on this machine if not given.

    Raises:
        FileNotFoundError: A model or the data set is not there.
        FileExistsError: `out` holds runs of other settings, or another process works there.
        ValueError: A file is of the wrong kind, or an argument is not one of Ultralytics' training, or is given twice.
    """
    plan = check(experiment)
    with _lock(experiment.out), place or this_machine(jobs=1) as opened:
        data = check_data_set(plan.data)  # once, before the first run: it may fetch or draw the data set
        if opened.at_once > 1:
            read_labels(data, experiment.training)
        opened.check(experiment, plan)
        settings.require_same(experiment, plan)
        (experiment.out / "models").mkdir(exist_ok=True)
        for name, text in plan.texts.items():
            atomic_write(_model_file(experiment, name), text)
        yield plan, opened


def task(experiment: Experiment, plan: Plan, name: str, seed: int) -> Task:
    """The work of one run of a prepared experiment."""
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
