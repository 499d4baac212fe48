"""The anchor head under the stock commands and this package's, each in a new process, from training to a file that runs without torch."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.test_commands import CFG, TRAINING, YOLO, data, python, run  # noqa: F401 (data is a fixture)

MODEL = CFG / "yolov5n-v6-ema.yaml"
OURS = Path(sys.executable).parent / "yolo-attn"


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory, data) -> Path:  # noqa: F811
    """The folder of a training of four epochs that was killed in its second and resumed."""
    folder = tmp_path_factory.mktemp("anchors")
    code = (
        "import os, signal\n"
        "from ultralytics import YOLO\n"
        f"model = YOLO({str(MODEL)!r})\n"
        "model.add_callback('on_model_save', lambda trainer: trainer.epoch == 1 and os.kill(os.getpid(), signal.SIGKILL))\n"
        f"model.train(data={str(data)!r}, epochs=4, imgsz=64, batch=4, workers=0, plots=False, project={str(folder)!r}, name='run')"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    assert "AnchorDetect: anchors [[10, 13], [16, 30]" in killed.stdout + killed.stderr
    out = run(YOLO, "train", "resume", f"model={folder}/run/weights/last.pt", cwd=folder)
    assert "Resuming training" in out
    return folder / "run"


@pytest.fixture(scope="module")
def checkpoint(killed_and_resumed) -> Path:
    return killed_and_resumed / "weights" / "last.pt"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot kill a process by a signal")
def test_a_killed_training_resumes_and_shows_its_losses_under_their_names(killed_and_resumed):
    with (killed_and_resumed / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    losses = [key for key in rows[0] if key.startswith(("train/", "val/"))]
    assert losses == [f"{part}/{name}_loss" for part in ("train", "val") for name in ("box", "obj", "cls")]
    assert all(float(row["train/box_loss"]) > 0 and float(row["val/obj_loss"]) > 0 for row in rows)


@pytest.mark.slow
def test_a_checkpoint_is_validated_and_predicts(checkpoint, data, tmp_path):  # noqa: F811
    arguments = ["imgsz=64", "workers=0", "plots=False", f"project={tmp_path}"]
    assert "mAP50" in run(YOLO, "val", f"model={checkpoint}", f"data={data}", *arguments, cwd=tmp_path)
    photographs = python("from ultralytics.utils import ASSETS; print(ASSETS)", tmp_path).split()[-1]
    run(YOLO, "predict", f"model={checkpoint}", f"source={photographs}", f"project={tmp_path}", "name=p", cwd=tmp_path)
    assert {file.name for file in (tmp_path / "p").glob("*.jpg")} >= {"bus.jpg", "zidane.jpg"}


@pytest.mark.slow
def test_a_dynamic_onnx_file_agrees_with_torch_and_runs_without_it(checkpoint, data, tmp_path):  # noqa: F811
    pytest.importorskip("onnxruntime")
    onnx = checkpoint.with_suffix(".onnx")
    out = run(
        OURS, "export", checkpoint, "--dynamic", "--imgsz", "64", "--images", data.parent / "images", cwd=tmp_path
    )
    assert "last.onnx: agrees with torch at 4 input shapes" in out
    blocked = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'ultralytics', 'onnx', 'PIL', 'yaml')));"
    )
    arguments = ["yolo-attn", "predict", "--model", str(onnx), "--source", str(data.parent / "images")]
    arguments += ["--json", "--conf", "0.0001", "--out", "out"]
    python(f"{blocked} sys.argv = {arguments!r}; from yolo_attn.cli import main; main()", tmp_path)
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text(encoding="utf-8"))) > 0


@pytest.mark.slow
@pytest.mark.parametrize(("format", "package"), [("torchscript", "torch"), ("openvino", "openvino")])
def test_other_formats_agree_with_torch(checkpoint, tmp_path, format, package):
    pytest.importorskip(package)
    out = run(OURS, "export", checkpoint, "--format", format, "--dynamic", "--imgsz", "64", cwd=tmp_path)
    assert "agrees with torch at" in out


@pytest.mark.slow
def test_objects_are_tracked(checkpoint, tmp_path):
    pytest.importorskip("lap")
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for x in range(4, 24, 4):
        picture = np.zeros((64, 64, 3), np.uint8)
        cv2.rectangle(picture, (x, 20), (x + 20, 40), (255, 255, 255), -1)
        writer.write(picture)
    writer.release()
    source = f"source={tmp_path / 'film.avi'}"
    out = run(YOLO, "track", f"model={checkpoint}", source, "imgsz=64", f"project={tmp_path}", "name=t", cwd=tmp_path)
    assert "(frame 5/5)" in out


def test_an_epoch_runs_and_its_losses_have_their_names(data, tmp_path):  # noqa: F811
    command = [
        YOLO,
        "train",
        f"model={MODEL}",
        f"data={data}",
        "epochs=1",
        f"project={tmp_path}",
        "name=run",
        *TRAINING,
    ]
    out = run(*command, cwd=tmp_path)
    assert "AnchorDetect: anchors [[10, 13]" in out and "fit 100.0% of the training boxes" in out
    header = (tmp_path / "run" / "results.csv").read_text(encoding="utf-8").splitlines()[0]
    assert [name.strip() for name in header.split(",") if name.strip().startswith("train/")] == [
        "train/box_loss",
        "train/obj_loss",
        "train/cls_loss",
    ]


@pytest.mark.slow
def test_anchors_that_do_not_fit_end_the_command_with_their_row(data, tmp_path):  # noqa: F811
    text = (CFG / "yolov5-v6-ema.yaml").read_text(encoding="utf-8")
    anchors = "[[10, 13, 16], [30, 61, 62], [116, 90, 156]]"
    (tmp_path / "mine.yaml").write_text(text.replace("[nc]]", f"[nc, {anchors}]]"), encoding="utf-8")
    for command, code in (([YOLO, "train", f"data={data}", "model=mine.yaml"], 1), ([OURS, "check", "mine.yaml"], 1)):
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        assert "mine.yaml" in last and "row 25" in last
        assert "anchors [10, 13, 16] are not pairs of width and height in pixels, such as [10, 13" in last
