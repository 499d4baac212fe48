"""Train several models with several seeds, each run in a process of its own, and measure all alike.

The folder of an experiment:

    settings.json     what every run has in common, and a digest of each model
    models/           the model YAMLs as they were
    runs/NAME-seedN/  Ultralytics' folder of a run, with log.txt, detections/ and record.json
    runs.jsonl        one record per run that ended
    table.md, table.csv, *.png
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolo_attn.experiment import journal
from yolo_attn.experiment import run_process as processes
from yolo_attn.experiment import settings as rules
from yolo_attn.experiment.settings import Experiment
from yolo_attn.storage import atomic_write

JOURNAL = "runs.jsonl"


@dataclass(frozen=True)
class Outcome:
    """What became of an experiment.

    Attributes:
        models: Names in the order of the tables; the first is the baseline.
        records: Of the runs that are finished.
        failed: {run: what went wrong}.
    """

    models: tuple[str, ...]
    records: tuple[dict, ...]
    failed: dict[str, str]


def run(
    experiment: Experiment,
    say: Callable[[str], None] = print,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Do every run that is not finished in `out`, seed by seed, each model in turn. A run that fails does not stop the others.

    May be killed and started again: finished runs stay, the one that was cut goes on from its last epoch, failed ones are tried anew. A
    resumed training draws other random numbers than an undisturbed one; its record says after which epoch.

    Args:
        experiment: What to compare. More models and seeds may be added to a folder later.
        say: Takes a line on how it goes.
        report: Takes what there is at the start and after each run.

    Raises:
        FileNotFoundError: A model or the data set is not there.
        FileExistsError: `out` holds runs of other settings, or another process works there.
        ValueError: An argument is not one of Ultralytics' training, or is given twice.
    """
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.nn import tasks  # noqa: F401  registers the layers, and the files of cfg/ and data/ by name
    from ultralytics.utils.checks import check_file

    texts = rules.model_texts(experiment)
    training = rules.checked_training(experiment)
    data = Path(check_file(experiment.data)).resolve()
    with processes.alone(experiment.out) as lock:
        rules.require_same(experiment.out, rules.common(experiment, data, training), texts)
        for name, text in texts.items():
            (experiment.out / "models").mkdir(exist_ok=True)
            atomic_write(experiment.out / "models" / f"{name}.yaml", text.encode())
        check_det_dataset(str(data))  # once, before the first run: it may fetch or draw the data set
        done = finished(experiment.out)
        failed: dict[str, str] = {}
        plan = [(name, seed) for seed in experiment.seeds for name in texts]

        def outcome() -> Outcome:
            return Outcome(tuple(texts), tuple(done[key] for key in plan if key in done), dict(failed))

        report(outcome())
        for number, (name, seed) in enumerate(plan, 1):
            title = f"[{number}/{len(plan)}] {_title(name, seed)}"
            if (name, seed) in done:
                say(f"{title}: is finished")
                continue
            folder = (experiment.out / "runs" / f"{name}-seed{seed}").resolve()
            model = (experiment.out / "models" / f"{name}.yaml").resolve()
            say(f"{title}: {folder / 'log.txt'}")
            task = {
                "model": str(model),
                "data": str(data),
                "seed": seed,
                "epochs": experiment.epochs,
                "training": training,
            }
            start = time.monotonic()
            record = {"model": name, "seed": seed} | processes.result(folder, task, lock)
            journal.append(experiment.out / JOURNAL, record)
            if record["status"] == "finished":
                done[name, seed] = record
                numbers = ", ".join(
                    f"{key} {value:.2f}" for key, value in record["scores"].items() if value is not None
                )
                say(f"{title}: {numbers} in {time.monotonic() - start:.0f} s")
            else:
                failed[_title(name, seed)] = record["error"]
                say(f"{title}: FAILED, {record['error']}")
            report(outcome())
        return outcome()


def finished(out: Path) -> dict[tuple[str, int], dict]:
    """{(model, seed): record} of the finished runs in a folder."""
    records = journal.read(Path(out) / JOURNAL)
    return {(record["model"], record["seed"]): record for record in records if record["status"] == "finished"}


def _title(name: str, seed: int) -> str:
    return f"{name}, seed {seed}"
