"""Runs of a benchmark: each is done once, failures are reported, and a kill or a damaged file costs one run at most."""

import errno
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ultralytics import YOLO

from tests.experiment.runs import TRAINING
from yolo_attn.experiment import journal, plots, preparation, runner
from yolo_attn.experiment.places import this_machine
from yolo_attn.plugin.files import find
from yolo_attn.storage import folder_lock

WRITE_PLOTS = plots.write


def calls(out: Path) -> dict[str, int]:
    return {path.parent.name: len(path.read_text().split()) for path in (out / "runs").glob("*/calls")}


def test_models_take_turns_and_each_run_is_a_line(make_experiment, tmp_path):
    outcome = runner.run(make_experiment("a", "b"))
    lines = journal.read(tmp_path / "out" / "runs.jsonl").runs
    assert [(line.model, line.seed, line.status) for line in lines] == [
        ("a", 0, "finished"),
        ("b", 0, "finished"),
        ("a", 1, "finished"),
        ("b", 1, "finished"),
    ]
    assert outcome.runs == lines
    assert outcome.failed == ()


def test_two_jobs_are_two_runs_at_once_and_one_journal(make_experiment, tmp_path):
    """A run here ends only after the other model's run of its seed has begun."""
    outcome = runner.run(make_experiment("meets-a", "meets-b"), place=this_machine(2))
    assert [(run.model, run.seed) for run in outcome.runs] == [
        ("meets-a", 0),
        ("meets-b", 0),
        ("meets-a", 1),
        ("meets-b", 1),
    ]
    lines = journal.read(tmp_path / "out" / "runs.jsonl").runs
    assert sorted(lines, key=lambda run: (run.seed, run.model)) == [*outcome.runs]
    assert outcome.table == (tmp_path / "out" / "table.md").read_text(encoding="utf-8")


def test_the_table_is_the_same_whatever_runs_at_once(make_experiment, tmp_path):
    alone = runner.run(make_experiment("a", "fails", "b", seeds=[3, 0, 2]))
    out = tmp_path / "together"
    together = runner.run(make_experiment("a", "fails", "b", seeds=[3, 0, 2], out=out), place=this_machine(4))
    table = together.table.replace(str(out), str(tmp_path / "out"))  # the folder that notes name
    assert table.splitlines()[1:] == alone.table.splitlines()[1:]  # the first is the command, which names it, too


def test_an_error_of_one_run_ends_the_others_and_begins_no_more(make_experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "append", raise_full_disk)
    start = time.monotonic()
    with pytest.raises(OSError, match="No space left"):
        runner.run(make_experiment("a", "sleeps", "b"), place=this_machine(2))
    assert time.monotonic() - start < 60
    assert "b-seed1" not in calls(tmp_path / "out")
    with folder_lock(tmp_path / "out" / "runs" / "sleeps-seed0", "still at work", 0):
        pass


def raise_full_disk(path, run):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_cores_of_a_run_are_part_of_the_settings_only_if_given(make_experiment):
    runner.run(make_experiment("a"))
    with pytest.raises(FileExistsError, match="CPU cores of a run not given, now 2"):
        runner.run(make_experiment("a", cpus_per_run=2))


def test_a_second_call_repeats_nothing(make_experiment, tmp_path):
    first = runner.run(make_experiment("a", "b"))
    assert runner.run(make_experiment("a", "b")) == first
    assert set(calls(tmp_path / "out").values()) == {1}


def test_models_and_seeds_can_be_added(make_experiment, tmp_path):
    runner.run(make_experiment("a", seeds=[0]))
    outcome = runner.run(make_experiment("a", "b", seeds=[0, 5]))
    assert len(outcome.runs) == 4
    assert calls(tmp_path / "out") == dict.fromkeys(["a-seed0", "b-seed0", "a-seed5", "b-seed5"], 1)


def test_the_outcome_is_about_what_was_asked_for_alone(make_experiment):
    runner.run(make_experiment("a", "b"))
    outcome = runner.run(make_experiment("b", seeds=[1]))
    assert [(run.model, run.seed) for run in outcome.runs] == [("b", 1)]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("fails", "RuntimeError: no such luck"),
        pytest.param(
            "killed",
            "ended by SIGKILL (the system does so when memory runs out); last line: started",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="there are no signals"),
        ),
    ],
)
def test_a_failed_run_is_reported_and_stops_no_other(make_experiment, tmp_path, name, error):
    lines = []
    outcome = runner.run(make_experiment("a", name, "b"), lines.append)
    assert [(run.model, run.seed, run.error) for run in outcome.failed] == [(name, 0, error), (name, 1, error)]
    assert len(outcome.runs) == 4
    assert sum(f"FAILED, {error}" in line for line in lines) == 2


def test_a_failed_run_is_tried_again(make_experiment):
    assert len(runner.run(make_experiment("a", "once")).failed) == 2
    again = runner.run(make_experiment("a", "once"))
    assert again.failed == ()
    assert len(again.runs) == 4


def test_a_record_without_its_line_is_not_made_again(make_experiment, tmp_path):
    runner.run(make_experiment("a"))
    file = tmp_path / "out" / "runs.jsonl"
    file.write_bytes(file.read_bytes()[:-30])  # killed while the last line was written
    assert len(runner.run(make_experiment("a")).runs) == 2
    assert len(journal.read(file).runs) == 2
    assert calls(tmp_path / "out") == {"a-seed0": 1, "a-seed1": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, "epochs 2, now 3"),
        ({"training": {**TRAINING, "imgsz": 96, "batch": 2}}, "imgsz 64, now 96; batch 4, now 2"),
        ({"training": {**TRAINING, "lr0": 0.1}}, "lr0 not given, now 0.1"),
        ({"training": {"imgsz": 64}}, "plots False, now not given"),
    ],
)
def test_other_settings_are_refused_and_named(make_experiment, tmp_path, changes, message):
    runner.run(make_experiment("a"))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError) as refused:
        runner.run(make_experiment("a", **changes))
    assert message in str(refused.value)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_model_of_the_same_name_with_other_content_is_refused(make_experiment, tmp_path):
    runner.run(make_experiment("a"))
    again = make_experiment("a")
    (tmp_path / "a.yaml").write_text(find("yolov5.yaml").read_text())
    with pytest.raises(FileExistsError, match="the file of a was another"):
        runner.run(again)


def test_a_data_yaml_with_other_content_is_refused(make_experiment, data, tmp_path):
    file = tmp_path / "same.yaml"
    file.write_text(data.read_text())
    runner.run(make_experiment("a", data=str(file)))
    file.write_text(data.read_text() + "channels: 3\n")
    with pytest.raises(FileExistsError, match=r"content of the data YAML [0-9a-f]{12}, now [0-9a-f]{12}"):
        runner.run(make_experiment("a", data=str(file)))


def test_another_data_yaml_is_refused(make_experiment, data, tmp_path):
    runner.run(make_experiment("a"))
    other = tmp_path / "other.yaml"
    other.write_text(data.read_text())
    with pytest.raises(FileExistsError, match=r"data .*squares.yaml, now .*other.yaml"):
        runner.run(make_experiment("a", data=str(other)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"epoch": 3}}, "'epoch' is not a valid YOLO argument"),
        ({"training": {"workers": 1.5}}, "workers=1.5. is of invalid type float"),
        ({"training": {"seed": 3, "project": "x"}}, "project, seed cannot be passed on"),
        ({"training": {"time": 0.1}}, "time cannot be passed on"),
        ({"training": {"resume": True}}, "resume cannot be passed on"),
        ({"seeds": [0, -1]}, "seeds are 0, -1; give each once, 0 or above"),
        ({"models": []}, "no model is given"),
        ({"models": ["yolov5n.pt"]}, "yolov5n.pt is no model YAML; .* pass its weights as pretrained=yolov5n.pt"),
        ({"models": ["{tmp}/text.yaml"]}, "text.yaml is a YAML file without a mapping"),
        ({"models": ["{tmp}/latin.yaml"]}, "latin.yaml is no YAML file in UTF-8"),
        ({"models": ["{tmp}/broken.yaml"]}, "broken.yaml is no YAML file in UTF-8"),
        ({"models": ["{data}"]}, "squares.yaml is no model YAML: it has no backbone and head"),
        ({"data": "{tmp}/a.yaml"}, "a.yaml is a model YAML; --data takes the YAML of a data set"),
        ({"data": "{tmp}/half.yaml"}, "half.yaml is no data YAML: it has no val"),
        ({"data": "{tmp}/text.yaml"}, "text.yaml is a YAML file without a mapping"),
        ({"data": "set.zip"}, "set.zip: is no data YAML"),
        ({"training": {"pretrained": "base.yaml"}}, "pretrained=base.yaml is no checkpoint; give a .pt file"),
        ({"training": {"pretrained": 3}}, "pretrained=3 is no checkpoint"),
        ({"training": {"pretrained": "{tmp}/cut.pt"}}, "cut.pt cannot be opened as a checkpoint"),
        ({"seeds": [1, 1]}, "seeds are 1, 1; give each once"),
        ({"seeds": []}, "seeds are missing"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(make_experiment, data, tmp_path, changes, message):
    (tmp_path / "text.yaml").write_text("only words")
    (tmp_path / "latin.yaml").write_bytes("# Größe\n".encode("latin-1"))
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    (tmp_path / "half.yaml").write_text("train: images\n")
    (tmp_path / "cut.pt").write_bytes(b"PK")
    text = json.dumps(changes).replace("{tmp}", str(tmp_path)).replace("{data}", str(data))
    with pytest.raises(ValueError, match=message):
        runner.run(make_experiment("a", **json.loads(text)))
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name_are_refused(make_experiment):
    experiment = make_experiment("a")
    with pytest.raises(ValueError, match="two models are called a"):
        runner.run(replace(experiment, models=[*experiment.models, *experiment.models]))


@pytest.mark.parametrize("folder", ["out", "out/runs/a-seed0"], ids=["a benchmark", "a run of a killed one"])
def test_a_folder_at_work_is_refused(make_experiment, tmp_path, monkeypatch, folder):
    monkeypatch.setattr(preparation, "PATIENCE", 0.2)
    (tmp_path / "out" / "runs" / "a-seed0").mkdir(parents=True)
    with (
        folder_lock(tmp_path / folder, "busy", 0),
        pytest.raises(FileExistsError, match="another `yolo-attn bench` works there"),
    ):
        runner.run(make_experiment("a"))


def test_after_nothing_but_failures_other_settings_are_welcome(make_experiment, tmp_path):
    runner.run(make_experiment("fails"))
    outcome = runner.run(make_experiment("fails", "a", epochs=3))
    assert len(outcome.runs) == len(outcome.failed) == 2
    with pytest.raises(FileExistsError, match="epochs 3, now 2"):
        runner.run(make_experiment("a"))


def test_a_failed_run_that_has_saved_an_epoch_keeps_the_settings(make_experiment):
    runner.run(make_experiment("saves"))
    with pytest.raises(FileExistsError, match="epochs 2, now 3"):
        runner.run(make_experiment("saves", epochs=3))


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"status": "failed"}'])
def test_a_damaged_record_costs_its_run_only(make_experiment, tmp_path, content):
    before = runner.run(make_experiment("a", "b", seeds=[0]))
    out = tmp_path / "out"
    (out / "runs.jsonl").write_text(f"{content}\n" + before.runs[1].to_json() + "\n")
    (out / "runs" / "a-seed0" / "record.json").write_text(content)
    lines = []
    assert runner.run(make_experiment("a", "b", seeds=[0]), lines.append) == before
    assert calls(out) == {"a-seed0": 2, "b-seed0": 1}
    assert any("runs.jsonl:1: is not the record of a run" in line for line in lines)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": 1, "models": {}}'])
def test_a_damaged_note_of_the_settings_is_named(make_experiment, tmp_path, content):
    runner.run(make_experiment("a"))
    (tmp_path / "out" / "settings.json").write_text(content)
    with pytest.raises(ValueError, match=r"settings\.json: is damaged"):
        runner.run(make_experiment("a"))


def test_a_damaged_note_without_any_run_is_written_anew(make_experiment, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text("")
    assert len(runner.run(make_experiment("a")).runs) == 2


def test_the_runner_writes_the_tables_and_plots_that_it_gives_back(make_experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "write", WRITE_PLOTS)
    outcome = runner.run(make_experiment("a", "b"))
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8") == outcome.table
    assert "| a | 2,000,000 |" in outcome.table
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"curves.png", "ap-latency.png", "per-class.png"}


def test_a_checkpoint_with_other_content_is_refused(make_experiment, tmp_path):
    file = tmp_path / "base.pt"
    changes = {"training": {**TRAINING, "pretrained": str(file)}}
    YOLO("yolov5n.yaml").save(file)
    runner.run(make_experiment("a", **changes))
    YOLO("yolov5n.yaml").save(file)  # other random weights
    with pytest.raises(FileExistsError, match="content of the checkpoint"):
        runner.run(make_experiment("a", **changes))


def test_the_control_follows_its_model_and_the_baseline_has_none(make_experiment, tmp_path):
    experiment = make_experiment("plain", "ema", seeds=[0], with_control=True)
    (tmp_path / "plain.yaml").write_text(find("yolov5.yaml").read_text())
    assert runner.run(experiment).models == ("plain", "ema", "ema-control")
    assert "PointwiseControl, [EMA, 32]" in (tmp_path / "out" / "models" / "ema-control.yaml").read_text()
