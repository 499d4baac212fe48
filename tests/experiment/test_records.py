"""Records as JSON, those of earlier versions included."""

import json
from pathlib import Path

import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment import journal
from yolo_attn.experiment.records import CarriedWeights, FailedRun, FinishedRun, Task, run_from_json

(PUBLISHED,) = (Path(__file__).parents[2] / "docs").rglob("runs.jsonl")
CARRIED = CarriedWeights(checkpoint="a.pt", parameters=100, carried_parameters=99)


@pytest.mark.parametrize(
    "run",
    [
        finished_run("a", 0),
        finished_run("ä", 3, carried=CARRIED, resumed_after=[2]),
        FailedRun("b", 1, "no", "log.txt"),
    ],
    ids=["finished", "carried", "failed"],
)
def test_a_run_survives_json(run):
    assert run_from_json(run.to_json()) == run
    assert "\n" not in run.to_json()


def test_a_task_survives_json():
    task = Task(name="a", model="a.yaml", data="d.yaml", seed=1, epochs=2, training={"imgsz": 64, "pretrained": "a.pt"})
    assert Task.from_json(task.to_json()) == task


def test_entries_of_a_later_version_are_passed_over():
    run = finished_run("a", 0)
    assert run_from_json(json.dumps(json.loads(run.to_json()) | {"later": 1})) == run


def test_the_record_of_a_failed_run_is_no_finished_run():
    with pytest.raises(ValueError, match="failed run"):
        FinishedRun.from_json(FailedRun("b", 1, "no", "log.txt").to_json())


def test_the_published_records_can_be_read():
    entries = journal.read(PUBLISHED)
    assert entries.damaged == ()
    assert {(run.model, run.seed) for run in entries.runs} == {
        (f"yolov5n{suffix}", seed) for suffix in ("", "-ema", "-ca", "-cbam", "-eca", "-sa") for seed in (0, 1, 2)
    }
    first = entries.runs[0]
    assert isinstance(first, FinishedRun)
    assert (first.scores["AP"], first.environment.commit, first.carried) == (20.41240013157269, "f86c1a7", None)
