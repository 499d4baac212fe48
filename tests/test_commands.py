"""The stock `yolo` command and API, each in a new process in which nobody imports yolo_attn."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

CFG = Path(__file__).parents[1] / "cfg"
YOLO = Path(sys.executable).parent / "yolo"
TRAINING = ["imgsz=64", "batch=4", "workers=0", "plots=False", "device=cpu", "seed=1"]


def run(*command, cwd: Path, **env: str) -> str:
    """Output of a command in a new process, which must succeed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def python(code: str, cwd: Path, **env: str) -> str:
    return run(sys.executable, "-c", code, cwd=cwd, **env)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Eight pictures with one bright square each, and their data YAML."""
    root = tmp_path_factory.mktemp("squares")
    generator = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir()
    for number in range(8):
        picture = generator.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        x, y = generator.integers(4, 36, 2)
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 20, int(y) + 20), (255, 255, 255), -1)
        cv2.imwrite(str(root / "images" / f"{number}.png"), picture)
        (root / "labels" / f"{number}.txt").write_text(f"0 {(x + 10) / 64} {(y + 10) / 64} {20 / 64} {20 / 64}\n")
    file = root / "squares.yaml"
    file.write_text(f"path: {root}\ntrain: images\nval: images\nnames: {{0: square}}\n")
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data) -> Path:
    """The checkpoint of two epochs of `yolo train`."""
    folder = tmp_path_factory.mktemp("trained")
    out = run(
        YOLO,
        "train",
        f"model={CFG}/yolov5n-ema.yaml",
        f"data={data}",
        "epochs=2",
        f"project={folder}",
        "name=run",
        *TRAINING,
        cwd=folder,
    )
    assert "yolo_attn.layers.ema.EMA" in out
    return folder / "run" / "weights" / "last.pt"


@pytest.fixture(scope="module")
def exported(trained) -> Path:
    """The same as ONNX."""
    run(YOLO, "export", f"model={trained}", "format=onnx", "imgsz=64", cwd=trained.parent)
    return trained.with_suffix(".onnx")


def test_a_killed_training_resumes(data, tmp_path):
    code = (
        "import os, signal\n"
        "from ultralytics import YOLO\n"
        f"model = YOLO({str(CFG / 'yolov5n-ema.yaml')!r})\n"
        "model.add_callback('on_model_save', lambda trainer: trainer.epoch == 1 and os.kill(os.getpid(), signal.SIGKILL))\n"
        f"model.train(data={str(data)!r}, epochs=4, imgsz=64, batch=4, workers=0, plots=False, project={str(tmp_path)!r}, name='run')"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    out = run(YOLO, "train", "resume", f"model={tmp_path}/run/weights/last.pt", cwd=tmp_path)
    assert "Resuming training" in out
    epochs = [line.split(",")[0].strip() for line in (tmp_path / "run" / "results.csv").read_text().splitlines()[1:]]
    assert epochs == ["1", "2", "3", "4"]


def validated(model: Path, data: Path, folder: Path) -> str:
    """Output of `yolo val`."""
    settings = [f"data={data}", "imgsz=64", "workers=0", "plots=False", f"project={folder}"]
    return run(YOLO, "val", f"model={model}", *settings, cwd=folder)


def test_a_checkpoint_is_validated(trained, data, tmp_path):
    assert "mAP50" in validated(trained, data, tmp_path)


def test_a_checkpoint_predicts_on_the_photographs_of_ultralytics(trained, tmp_path):
    code = "from ultralytics.utils import ASSETS; print(ASSETS)"
    photographs = python(code, tmp_path).split()[-1]
    out = run(
        YOLO,
        "predict",
        f"model={trained}",
        f"source={photographs}",
        "conf=0.001",
        f"project={tmp_path}",
        "name=p",
        cwd=tmp_path,
    )
    assert "bus.jpg" in out
    assert {file.name for file in (tmp_path / "p").glob("*.jpg")} >= {"bus.jpg", "zidane.jpg"}


def test_an_exported_onnx_file_is_validated(exported, data, tmp_path):
    assert "mAP50" in validated(exported, data, tmp_path)


def test_an_exported_torchscript_file_is_validated(trained, data, tmp_path):
    run(YOLO, "export", f"model={trained}", "format=torchscript", "imgsz=64", cwd=tmp_path)
    assert "mAP50" in validated(trained.with_suffix(".torchscript"), data, tmp_path)


@pytest.mark.parametrize("restricted", ["0", "1"], ids=["freely", "restricted"])
def test_a_checkpoint_opens_in_another_process_and_folder(trained, tmp_path, restricted):
    elsewhere = tmp_path / "exp2large"
    elsewhere.mkdir()
    (elsewhere / "moved.pt").write_bytes(trained.read_bytes())
    code = (
        "import sys; from ultralytics import YOLO; model = YOLO('moved.pt');"
        "print([type(m).__module__ + '.' + type(m).__name__ for m in model.model.model if 'yolo_attn' in type(m).__module__])"
    )
    assert "['yolo_attn.layers.ema.EMA']" in python(code, elsewhere, ULTRALYTICS_SAFE_LOAD=restricted)


def test_weights_load_into_a_model_built_from_the_same_file(trained, tmp_path):
    code = (
        f"import torch; from ultralytics import YOLO; saved = YOLO({str(trained)!r}).model.state_dict();"
        f"model = YOLO({str(CFG / 'yolov5n-ema.yaml')!r}).load({str(trained)!r}).model.state_dict();"
        "ours = [key for key in saved if key.startswith('model.9.')];"
        "print('equal', len(ours), all(torch.equal(saved[key], model[key]) for key in ours))"
    )
    assert "equal 6 True" in python(code, tmp_path)


def test_training_starts_from_the_weights_of_a_model_without_the_row(data, tmp_path):
    python("from ultralytics import YOLO; YOLO('yolov5n.yaml').save('base.pt')", tmp_path)
    command = [YOLO, "train", f"model={CFG}/yolov5n-ema.yaml", f"data={data}", "pretrained=base.pt", "epochs=1"]
    out = run(*command, f"project={tmp_path}", "name=run", *TRAINING, cwd=tmp_path)
    assert "Rows: 25 matched, 1 new (9 EMA), 0 without a source" in out


@pytest.mark.slow
def test_benchmark_covers_torch_torchscript_and_onnx(trained, data, tmp_path):
    code = (
        "from ultralytics.utils.benchmarks import benchmark\n"
        f"for format in ('-', 'torchscript', 'onnx'): print(benchmark({str(trained)!r}, data={str(data)!r}, imgsz=64, format=format))"
    )
    out = python(code, tmp_path)
    for format in ("PyTorch", "TorchScript", "ONNX"):
        assert any(format in line and "✅" in line for line in out.splitlines()), out


@pytest.mark.slow
def test_hyperparameters_are_tuned(data, tmp_path):
    settings = {"epochs": 1, "iterations": 2, "imgsz": 64, "batch": 4, "workers": 0, "plots": False, "device": "cpu"}
    code = f"from ultralytics import YOLO\nYOLO({str(CFG / 'yolov5n-ema.yaml')!r}).tune(data={str(data)!r}, **{settings!r})"
    out = python(code, tmp_path)
    assert "2/2 iterations complete" in out
    assert "training failure" not in out.lower()


@pytest.mark.slow
def test_attention_inside_blocks_trains_resumes_exports_and_opens_elsewhere(data, tmp_path):
    python("from ultralytics import YOLO; YOLO('yolo11n.yaml').save('base.pt')", tmp_path)
    code = (
        "import os, signal\n"
        "from ultralytics import YOLO\n"
        f"model = YOLO({str(CFG / 'yolo11n-ema-inside.yaml')!r})\n"
        "model.add_callback('on_model_save', lambda trainer: trainer.epoch == 1 and os.kill(os.getpid(), signal.SIGKILL))\n"
        f"model.train(data={str(data)!r}, epochs=3, imgsz=64, batch=4, workers=0, plots=False, pretrained='base.pt',"
        f" project={str(tmp_path)!r}, name='run')"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    assert "C3k2 with 1 EMA inside" in killed.stdout + killed.stderr
    assert "Resuming training" in run(YOLO, "train", "resume", f"model={tmp_path}/run/weights/last.pt", cwd=tmp_path)
    trained = tmp_path / "run" / "weights" / "last.pt"
    run(YOLO, "export", f"model={trained}", "format=onnx", "imgsz=64", cwd=tmp_path)
    assert "mAP50" in validated(trained.with_suffix(".onnx"), data, tmp_path)
    opening = (
        f"from ultralytics import YOLO; model = YOLO({str(trained)!r}).model;"
        "print([row[2] for row in model.yaml['backbone'] if '+' in row[2]], type(model.model[2].m[0].cv2.act[1]))"
    )
    for restricted in "01":
        out = python(opening, tmp_path, ULTRALYTICS_SAFE_LOAD=restricted)
        assert "['C3k2+EMA(8)', 'C3k2+EMA(8)', 'C3k2+EMA(8)', 'C3k2+EMA(8)'] <class 'yolo_attn.layers.ema.EMA'>" in out


@pytest.mark.slow
def test_training_compiles(data, tmp_path):
    command = [
        YOLO,
        "train",
        f"model={CFG}/yolov5n-ema.yaml",
        f"data={data}",
        "epochs=1",
        "compile=True",
        f"project={tmp_path}",
    ]
    out = run(*command, *TRAINING, cwd=tmp_path)
    assert "compile" in out.lower()
    assert "failed" not in out.lower()
