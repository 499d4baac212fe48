"""A data set that trains in seconds, and experiments that train nothing."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.experiment.runs import TRAINING, WITH_EMA, WORKER
from yolo_attn.experiment import launch, plots
from yolo_attn.experiment.plan import Experiment
from yolo_attn.visdrone.annotations import NAMES


@pytest.fixture(scope="package")
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
def make_experiment(tmp_path, data, monkeypatch):
    """Makes experiments whose runs train nothing, and which draw no plots."""
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    monkeypatch.setattr(launch, "WORKER", (sys.executable, str(program)))
    monkeypatch.setattr(plots, "write", lambda *results: None)  # it takes most of the time
    stock = WITH_EMA.read_text()

    def make(*names: str, **changes) -> Experiment:
        files = [tmp_path / f"{name}.yaml" for name in names]
        for file in files:
            file.write_text(stock)
        experiment = Experiment(
            models=[*map(str, files)],
            data=str(data),
            seeds=[0, 1],
            epochs=2,
            out=tmp_path / "out",
            training=TRAINING,
        )
        return replace(experiment, **changes)

    return make
