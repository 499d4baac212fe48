"""The command `yolo-attn bench` with real trainings."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
import torch
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset

from yolo_attn.experiment import comparison, journal, pretrained
from yolo_attn.experiment.records import FailedRun, FinishedRun, Task

WITH_EMA = Path(__file__).parents[2] / "cfg" / "yolov5-ema.yaml"
COMMAND = Path(sys.executable).parent / "yolo-attn"
TRAINING = {"imgsz": 64, "batch": 4, "workers": 0, "plots": False, "device": "cpu", "mosaic": 0, "amp": False}
EMA = 10 * 8**2 + 4 * 8  # 256 channels in 32 groups of 8
LAST = 3 * 10 * (80 + 1)  # the last convolutions of three levels, from 80 channels to ten classes
# Of Ultralytics' yolov5n for 80 classes, with last convolutions for ten: `load` keeps the width of the class branches.
PARAMETERS = 2_654_816 - 3 * 80 * (80 + 1) + LAST + EMA


def bench(data: Path, out: Path, *models: str, epochs: int, seeds: str = "0", **training) -> list[str]:
    pairs = [f"{key}={value}" for key, value in {**TRAINING, **training}.items()]
    options = ["--models", ",".join(models), "--data", data, "--seeds", seeds, "--epochs", epochs, "--out", out]
    return [str(COMMAND), "bench", *map(str, options), *pairs]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data) -> tuple[Path, subprocess.CompletedProcess]:
    """Three models after a real training of one epoch from weights of another: with EMA, with P2, and one that cannot be built."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "yolov5n-wrong.yaml").write_text(WITH_EMA.read_text().replace("EMA, [32]", "EMA, [7]"))
    YOLO("yolov5n.yaml").save(folder / "base.pt")
    models = ("yolov5n-ema.yaml", "yolov5n-p2.yaml", "yolov5n-wrong.yaml")
    command = bench(data, folder / "out", *models, epochs=1, pretrained="base.pt")
    return folder / "out", subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_command_ends_with_1_and_says_why_a_run_failed(finished):
    _, done = finished
    assert done.returncode == 1, done.stderr
    assert "EMA: 256 channels cannot be split into 7 groups" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_command_prints_the_table(finished):
    out, done = finished
    table = (out / "table.md").read_text(encoding="utf-8")
    assert table.strip() in done.stdout
    assert "| yolov5n-wrong | - | - |" in table


def test_a_real_run_has_both_protocols_its_size_and_its_curve(finished):
    run = journal.read(finished[0] / "runs.jsonl").runs[0]
    assert isinstance(run, FinishedRun)
    assert run.scores.keys() == {"mAP50", "mAP50-95", "AP", "AP50"}
    assert run.per_class.keys() == {"mAP50-95", "AP"}
    assert run.curve["epoch"] == [1]
    assert run.parameters == PARAMETERS
    assert run.gflops > 0.05
    assert run.latency_ms > 0


def test_the_last_epoch_is_scored_too_and_the_statistics_are_written(finished):
    out, done = finished
    run = journal.read(out / "runs.jsonl").runs[0]
    assert run.last.scores == run.scores  # the only epoch is the best and the last
    assert run.last.per_class == run.per_class
    folder = out / "runs" / f"{run.model}-seed0"
    assert {path.name for path in (folder / "detections-last").glob("*.txt")} == {f"{n}.txt" for n in range(16)}
    statistics = comparison.read(out)
    assert (statistics.protocol, statistics.checkpoint, statistics.pictures) == ("VisDrone", "last", 16)
    assert [errors.model for errors in statistics.errors] == ["yolov5n-ema", "yolov5n-p2"]
    assert "yolov5n-p2: no interval of mAP50, mAP50-95, AP, AP50, as one seed has no spread" in done.stdout


def test_every_model_gets_the_weights_of_the_checkpoint_and_the_record_says_how_many(finished):
    runs = journal.read(finished[0] / "runs.jsonl").runs
    carried = {run.model: run.carried for run in runs if isinstance(run, FinishedRun)}
    assert {name: weights.checkpoint for name, weights in carried.items()} == {
        "yolov5n-ema": "base.pt",
        "yolov5n-p2": "base.pt",
    }
    ema, p2 = carried["yolov5n-ema"], carried["yolov5n-p2"]
    assert (ema.parameters, ema.carried_parameters) == (PARAMETERS, PARAMETERS - EMA - LAST)
    assert 0.8 < p2.carried_parameters / p2.parameters < 1
    assert "- Parameters that started from base.pt: yolov5n-ema 99.9%" in (finished[0] / "table.md").read_text()


def test_the_folder_has_detections_tables_and_plots(finished):
    out, _ = finished
    assert len(list((out / "runs" / "yolov5n-ema-seed0" / "detections").glob("*.txt"))) == 16
    names = {"table.md", "table.csv", "curves.png", "ap-latency.png", "runs.jsonl"}
    assert {path.name for path in out.iterdir()} >= names


def test_the_trained_checkpoint_is_whole_and_the_copies_are_gone(finished):
    folder = finished[0] / "runs" / "yolov5n-ema-seed0"
    assert sorted(path.name for path in folder.rglob("*.pt")) == ["best.pt", "last.pt"]


def test_the_prepared_weights_are_those_of_the_checkpoint_and_the_rest_follows_from_the_seed(data, tmp_path):
    base = YOLO("yolov5n.yaml")
    base.save(tmp_path / "base.pt")
    prepared = []
    for number, seed in enumerate((3, 3, 4)):
        folder = tmp_path / str(number)
        folder.mkdir()
        task = Task(
            name="ema",
            model="yolov5n-ema.yaml",
            data=str(data),
            seed=seed,
            epochs=1,
            training={"pretrained": str(tmp_path / "base.pt")},
        )
        file = pretrained.prepare(folder, task, check_det_dataset(str(data)))
        prepared.append(YOLO(file).model.state_dict())
    same, again, other = prepared
    source = YOLO(tmp_path / "base.pt").model.float().state_dict()  # halved by saving
    assert torch.equal(same["model.0.conv.weight"], source["model.0.conv.weight"])
    assert torch.equal(same["model.10.cv1.conv.weight"], source["model.9.cv1.conv.weight"])  # behind EMA in row 9
    assert all(torch.equal(value, again[key]) for key, value in same.items())
    assert not torch.equal(same["model.9.conv3x3.weight"], other["model.9.conv3x3.weight"])


@pytest.mark.slow
def test_killed_again_and_again_it_finishes_what_is_missing_and_repeats_nothing(data, tmp_path):
    out, epochs = tmp_path / "out", 6
    YOLO("yolov5n.yaml").save(tmp_path / "base.pt")
    models = ("yolov5n.yaml", "yolov5n-ema.yaml")
    command = bench(data, out, *models, epochs=epochs, seeds="0,1", pretrained="base.pt")
    generator, stamps = random.Random(1), {}
    for kill in range(6):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        if kill % 2:  # behind an epoch, however slow the machine is
            while process.poll() is None and not any(out.glob("runs/*/state.pt")):
                time.sleep(0.1)
        time.sleep(generator.uniform(0, 3) if kill % 2 else generator.uniform(8, 20))
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        psutil.wait_procs(workers, timeout=30)
        cut = [path for path in out.glob("runs/*/weights/*.pt") if not (path.parents[1] / "trained").exists()]
        if kill % 2:  # as if the kill had fallen into the writing
            for path in cut:
                os.truncate(path, path.stat().st_size // 2)
        now = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/record.json")}
        assert {path: now[path] for path in stamps} == stamps
        stamps = now
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = journal.read(out / "runs.jsonl").runs
    assert not any(isinstance(run, FailedRun) for run in runs)
    assert Counter((run.model, run.seed) for run in runs) == Counter(
        (model, seed) for model in ("yolov5n", "yolov5n-ema") for seed in (0, 1)
    )
    assert all(run.curve["epoch"] == [*range(1, epochs + 1)] for run in runs)
    assert all(run.carried for run in runs)
    assert any(run.resumed_after for run in runs)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert json.loads((out / "settings.json").read_text())["settings"]["epochs"] == epochs
