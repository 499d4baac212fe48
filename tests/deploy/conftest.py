"""Detectors as users have them: as they come out of a YAML, and out of a short training on a small data set."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ultralytics import YOLO
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.export import export

CFG = Path(__file__).parents[2] / "cfg"
SIZE = 96


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The data YAML of twelve pictures with a bright square and a dark one each."""
    root = tmp_path_factory.mktemp("squares")
    generator = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir()
    for number in range(12):
        picture, rows = generator.integers(80, 140, (96, 96, 3), dtype=np.uint8), []
        for kind, light in enumerate((255, 0)):
            x, y = (int(side) for side in generator.integers(2, 60, 2))
            cv2.rectangle(picture, (x, y), (x + 30, y + 30), (light,) * 3, -1)
            rows.append(f"{kind} {(x + 15) / 96} {(y + 15) / 96} {30 / 96} {30 / 96}\n")
        cv2.imwrite(str(root / "images" / f"{number}.png"), picture)
        (root / "labels" / f"{number}.txt").write_text("".join(rows), encoding="utf-8")
    file = root / "squares.yaml"
    file.write_text(f"path: {root}\ntrain: images\nval: images\nnames: {{0: bright, 1: dark}}\n", encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def train(tmp_path_factory, data):
    """A function: model YAML -> the checkpoint of a training of a few steps."""

    def run(model: str, epochs: int = 4) -> Path:
        torch.manual_seed(0)
        yolo = YOLO(model)
        settings = {
            "imgsz": SIZE,
            "batch": 4,
            "workers": 0,
            "plots": False,
            "device": "cpu",
            "seed": 1,
            "verbose": False,
        }
        yolo.train(data=str(data), epochs=epochs, project=str(tmp_path_factory.mktemp("runs")), name="run", **settings)
        return Path(yolo.trainer.last)

    return run


@pytest.fixture(scope="session")
def trained(train) -> Path:
    """The checkpoint of a trained yolov5n-ema."""
    return train(str(CFG / "yolov5n-ema.yaml"))


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> Path:
    """The checkpoint of a yolov5n-ema as it comes out of the YAML."""
    torch.manual_seed(0)
    yolo = YOLO(CFG / "yolov5n-ema.yaml")
    path = tmp_path_factory.mktemp("untrained") / "untrained.pt"
    yolo.save(path)
    return path


@pytest.fixture(scope="session")
def networks(trained, untrained) -> dict[str, BaseModel]:
    """{"trained" or "untrained": its model}, not to be changed."""
    return {"trained": YOLO(trained).model, "untrained": YOLO(untrained).model}


@pytest.fixture(scope="session")
def exported(trained, untrained, tmp_path_factory) -> dict[str, Path]:
    """{"trained" or "untrained": its ONNX file of dynamic size}."""
    files = {}
    for name, checkpoint in {"trained": trained, "untrained": untrained}.items():
        copy = shutil.copy(checkpoint, tmp_path_factory.mktemp(name))  # exports land beside the checkpoint
        files[name] = export(copy, verify=False, imgsz=SIZE, dynamic=True, verbose=False).file
    return files
