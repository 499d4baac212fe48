"""Runs of a benchmark: what is done, what is not done twice, what is refused, and what a kill costs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_attn.experiment import journal
from yolo_attn.experiment import run_process as processes
from yolo_attn.experiment import runner as room
from yolo_attn.experiment.settings import Experiment
from yolo_attn.plugin.files import find
from yolo_attn.visdrone.annotations import NAMES

WITH_EMA = Path(__file__).parents[2] / "cfg" / "yolov5-ema.yaml"
COMMAND = Path(sys.executable).parent / "yolo-attn"
TRAINING = {"imgsz": 64, "batch": 4, "workers": 0, "plots": False, "device": "cpu", "mosaic": 0, "amp": False}
# Stands for the training of a run: what becomes of it follows from the model's name; each call is noted.
CHILD = """
import json, os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
name = pathlib.Path(task["model"]).stem
with (folder / "calls").open("a") as calls:
    calls.write("call\\n")
print("started")
if "fails" in name:
    raise RuntimeError("no such luck")
if "killed" in name:
    os.kill(os.getpid(), signal.SIGKILL)
if "once" in name and len((folder / "calls").read_text().split()) == 1:
    sys.exit("the first time fails")
(folder / "record.json").write_text(json.dumps({"scores": {"AP": task["seed"] + 1.0, "AP50": None}}))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Sixteen pictures of squares in VisDrone's layout, train and val alike, and their data YAML."""
    root = tmp_path_factory.mktemp("squares")
    generator = np.random.default_rng(0)
    for part in ("images", "labels", "annotations"):
        (root / "set" / part).mkdir(parents=True)
    for number in range(16):
        picture, kind = generator.integers(0, 60, (64, 64, 3), dtype=np.uint8), number % 3
        x, y = map(int, generator.integers(4, 36, 2))
        cv2.rectangle(picture, (x, y), (x + 20, y + 20), (255, 80 * kind, 255 - 80 * kind), -1)
        cv2.imwrite(str(root / "set" / "images" / f"{number}.png"), picture)
        (root / "set" / "labels" / f"{number}.txt").write_text(
            f"{kind} {(x + 10) / 64} {(y + 10) / 64} {20 / 64} {20 / 64}\n"
        )
        (root / "set" / "annotations" / f"{number}.txt").write_text(f"{x},{y},20,20,1,{kind + 1},0,0\n")
    file = root / "squares.yaml"
    file.write_text(f"path: {root}\ntrain: set/images\nval: set/images\nnames: {dict(enumerate(NAMES))}\n")
    return file


@pytest.fixture
def pretended(tmp_path, data, monkeypatch):
    """Makes experiments whose runs train nothing."""
    program = tmp_path / "child.py"
    program.write_text(CHILD)
    monkeypatch.setattr(processes, "CHILD", (sys.executable, str(program)))
    stock = WITH_EMA.read_text()

    def make(*names: str, **changes) -> Experiment:
        files = [tmp_path / f"{name}.yaml" for name in names]
        for file in files:
            file.write_text(stock)
        return replace(Experiment([*map(str, files)], str(data), [0, 1], 2, tmp_path / "out", TRAINING), **changes)

    return make


def calls(out: Path) -> dict[str, int]:
    return {path.parent.name: len(path.read_text().split()) for path in (out / "runs").glob("*/calls")}


def test_models_take_turns_and_each_run_is_a_line(pretended, tmp_path):
    outcome = room.run(pretended("a", "b"))
    lines = journal.read(tmp_path / "out" / "runs.jsonl")
    assert [(line["model"], line["seed"], line["status"]) for line in lines] == [
        ("a", 0, "finished"),
        ("b", 0, "finished"),
        ("a", 1, "finished"),
        ("b", 1, "finished"),
    ]
    assert list(outcome.records) == lines
    assert outcome.failed == {}


def test_a_second_call_repeats_nothing(pretended, tmp_path):
    first = room.run(pretended("a", "b"))
    assert room.run(pretended("a", "b")) == first
    assert set(calls(tmp_path / "out").values()) == {1}


def test_models_and_seeds_can_be_added(pretended, tmp_path):
    room.run(pretended("a", seeds=[0]))
    outcome = room.run(pretended("a", "b", seeds=[0, 5]))
    assert len(outcome.records) == 4
    assert calls(tmp_path / "out") == dict.fromkeys(["a-seed0", "b-seed0", "a-seed5", "b-seed5"], 1)


def test_the_outcome_is_about_what_was_asked_for_alone(pretended):
    room.run(pretended("a", "b"))
    outcome = room.run(pretended("b", seeds=[1]))
    assert [(record["model"], record["seed"]) for record in outcome.records] == [("b", 1)]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("fails", "RuntimeError: no such luck"),
        ("killed", "ended by SIGKILL (the system does so when memory runs out); last line: started"),
    ],
)
def test_a_failed_run_is_reported_and_stops_no_other(pretended, tmp_path, name, error):
    said = []
    outcome = room.run(pretended("a", name, "b"), said.append)
    assert outcome.failed == {f"{name}, seed {seed}": error for seed in (0, 1)}
    assert len(outcome.records) == 4
    assert sum(f"FAILED, {error}" in line for line in said) == 2


def test_a_failed_run_is_tried_again(pretended):
    assert len(room.run(pretended("a", "once")).failed) == 2
    again = room.run(pretended("a", "once"))
    assert again.failed == {}
    assert len(again.records) == 4


def test_a_record_without_its_line_is_not_made_again(pretended, tmp_path):
    room.run(pretended("a"))
    file = tmp_path / "out" / "runs.jsonl"
    file.write_bytes(file.read_bytes()[:-30])  # killed while the last line was written
    assert len(room.run(pretended("a")).records) == 2
    assert len(journal.read(file)) == 2
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
def test_other_settings_are_refused_and_named(pretended, tmp_path, changes, message):
    room.run(pretended("a"))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError) as refused:
        room.run(pretended("a", **changes))
    assert message in str(refused.value)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_model_of_the_same_name_with_other_content_is_refused(pretended, tmp_path):
    room.run(pretended("a"))
    again = pretended("a")
    (tmp_path / "a.yaml").write_text(find("yolov5.yaml").read_text())
    with pytest.raises(FileExistsError, match="the file of a was another"):
        room.run(again)


def test_changed_data_are_refused(pretended, data, tmp_path):
    room.run(pretended("a"))
    other = tmp_path / "other.yaml"
    other.write_text(data.read_text())
    with pytest.raises(FileExistsError, match=r"data .*squares.yaml, now .*other.yaml"):
        room.run(pretended("a", data=str(other)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"epoch": 3}}, "'epoch' is not a valid YOLO argument"),
        ({"training": {"workers": 1.5}}, "workers=1.5. is of invalid type float"),
        ({"training": {"seed": 3, "project": "x"}}, "project, seed cannot be passed on"),
        ({"seeds": [1, 1]}, "seeds are 1, 1; give each once"),
        ({"seeds": []}, "seeds are missing"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(pretended, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        room.run(pretended("a", **changes))
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name_are_refused(pretended):
    asked = pretended("a")
    with pytest.raises(ValueError, match="two models are called a"):
        room.run(replace(asked, models=[*asked.models, *asked.models]))


def test_a_folder_at_work_is_refused(pretended, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    with (
        processes.alone(tmp_path / "out"),
        pytest.raises(FileExistsError, match="another `yolo-attn bench` works there"),
    ):
        room.run(pretended("a"))


def test_the_control_follows_its_model_and_the_baseline_has_none(pretended, tmp_path):
    asked = pretended("plain", "ema", seeds=[0], with_control=True)
    (tmp_path / "plain.yaml").write_text(find("yolov5.yaml").read_text())
    assert room.run(asked).models == ("plain", "ema", "ema-control")
    assert "PointwiseControl, [EMA, 32]" in (tmp_path / "out" / "models" / "ema-control.yaml").read_text()


def bench(data: Path, out: Path, *models: str, epochs: int, seeds: str = "0", **training) -> list[str]:
    pairs = [f"{key}={value}" for key, value in {**TRAINING, **training}.items()]
    words = ["--models", *models, "--data", data, "--seeds", *seeds.split(), "--epochs", epochs, "--out", out, *pairs]
    return [str(COMMAND), "bench", *map(str, words)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data) -> tuple[Path, subprocess.CompletedProcess]:
    """The folder of two models, one of which cannot be built, after a real training of one epoch."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "yolov5n-odd.yaml").write_text(WITH_EMA.read_text().replace("EMA, [32]", "EMA, [7]"))
    command = bench(data, folder / "out", "yolov5n-ema.yaml", "yolov5n-odd.yaml", epochs=1)
    return folder / "out", subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_command_ends_with_1_and_says_why_a_run_failed(finished):
    _, done = finished
    assert done.returncode == 1, done.stderr
    assert "EMA: 256 channels cannot be split into 7 groups" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_real_run_has_both_protocols_its_size_and_its_curve(finished):
    (record,) = [one for one in journal.read(finished[0] / "runs.jsonl") if one["status"] == "finished"]
    assert record["scores"].keys() == {"mAP50", "mAP50-95", "AP", "AP50"}
    assert record["per_class"].keys() == {"mAP50-95", "AP"}
    assert record["curve"]["epoch"] == [1]
    assert (
        record["parameters"] == 2_511_086
    )  # yolov5n of Ultralytics for ten classes, 2,510,414, and EMA's 10 * 8**2 + 4 * 8
    assert record["gflops"] > 0.05
    assert record["latency_ms"] > 0


def test_the_folder_has_detections_tables_and_plots(finished):
    out, _ = finished
    assert len(list((out / "runs" / "yolov5n-ema-seed0" / "detections").glob("*.txt"))) == 16
    assert {path.name for path in out.iterdir()} >= {
        "table.md",
        "table.csv",
        "curves.png",
        "ap-latency.png",
        "runs.jsonl",
    }
    assert "| yolov5n-odd | - | - |" in (out / "table.md").read_text()


def test_the_trained_checkpoint_is_whole_and_the_copies_are_gone(finished):
    folder = finished[0] / "runs" / "yolov5n-ema-seed0"
    assert sorted(path.name for path in folder.rglob("*.pt")) == ["best.pt", "last.pt"]


@pytest.mark.slow
def test_killed_again_and_again_it_finishes_what_is_missing_and_repeats_nothing(data, tmp_path):
    out, epochs = tmp_path / "out", 6
    command = bench(data, out, "yolov5n.yaml", "yolov5n-ema.yaml", epochs=epochs, seeds="0 1")
    generator, stamps = random.Random(1), {}
    for kill in range(6):
        process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL)
        time.sleep(generator.uniform(8, 20))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1)  # the child ends by itself
        cut = [path for path in out.glob("runs/*/weights/*.pt") if not (path.parents[1] / "trained").exists()]
        if kill % 2:  # as if the kill had fallen into the writing
            for path in cut:
                os.truncate(path, path.stat().st_size // 2)
        now = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/record.json")}
        assert {path: now[path] for path in stamps} == stamps
        stamps = now
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    records = journal.read(out / "runs.jsonl")
    assert Counter((record["model"], record["seed"], record["status"]) for record in records) == Counter(
        (model, seed, "finished") for model in ("yolov5n", "yolov5n-ema") for seed in (0, 1)
    )
    assert all(record["curve"]["epoch"] == [*range(1, epochs + 1)] for record in records)
    assert any(record["resumed_after"] for record in records)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert json.loads((out / "settings.json").read_text())["settings"]["epochs"] == epochs
