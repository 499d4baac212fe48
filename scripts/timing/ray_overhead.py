"""The seconds that Ray adds to a benchmark on this machine, and what part of a run they are.

python -m scripts.timing.ray_overhead aerial-demo.yaml --run-seconds 400

Finished runs are handed over, so what is timed is everything but the run: starting Ray, looking at the node, and each task.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from yolo_attn.experiment import launch
from yolo_attn.experiment.cluster import ray_cluster
from yolo_attn.experiment.data_set import check_data_set
from yolo_attn.experiment.places import Place, this_machine
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.records import Environment, FinishedRun, Task
from yolo_attn.plugin.files import find_data
from yolo_attn.storage import folder_lock

SAME = Environment(yolo_attn="", commit="", ultralytics="", torch="", python="", device="", threads=1)
RUN = FinishedRun("a", 0, 64, 4, 0, 0.0, 0.0, {}, {}, {}, [], SAME)


def seconds_per_run(place: Place, folder: Path, runs: int) -> list[float]:
    """Hand finished runs to a place one after another and time each."""
    seconds = []
    for number in range(runs):
        run = folder / str(number)
        run.mkdir(parents=True, exist_ok=True)
        (run / launch.RECORD).write_text(RUN.to_json(), encoding="utf-8")
        start = time.perf_counter()
        place.work(run, Task(name="a", model="", data="", seed=number, epochs=1, training={}))
        seconds.append(time.perf_counter() - start)
    return seconds


def main(
    data_yaml: Annotated[str, typer.Argument(help="Data YAML of a data set on this machine.")],
    run_seconds: Annotated[float, typer.Option(help="Length of a run to compare with.")] = 400.0,
    runs: int = 10,
) -> None:
    """Print seconds as JSON."""
    data = find_data(data_yaml).resolve()
    check_data_set(data)
    with tempfile.TemporaryDirectory() as out:
        experiment = Experiment([], str(data), [0], 1, Path(out), {"device": "cpu"}, cpus_per_run=1)
        with this_machine(1) as place:
            local = statistics.median(seconds_per_run(place, Path(out) / "runs", runs))
        start = time.perf_counter()
        with folder_lock(experiment.out, "", 0), ray_cluster("local", experiment) as place:
            begun = time.perf_counter()
            place.check(experiment, Plan(texts={}, data=data, checkpoint=None))
            checked = time.perf_counter()
            first, *others = seconds_per_run(place, Path(out) / "runs", runs)
    found = {
        "start of Ray": begun - start,
        "check of a node": checked - begun,
        "first run": first,
        "later run, median": statistics.median(others),
        "run without Ray": local,
        f"percent of a run of {run_seconds:g} s": 100 * first / run_seconds,
    }
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    typer.run(main)
