"""A folder of `bench` made by hand: two models, two seeds, three pictures whose right and wrong boxes are known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment import journal
from yolo_attn.visdrone.annotations import NAMES

TRUTH = "10,10,20,20,1,4,0,0\n40,40,10,10,1,9,0,0\n"  # a car and a bus in each picture
CAR, BUS, WRONG = "10,10,20,20,0.9,4,-1,-1\n", "40,40,10,10,0.8,9,-1,-1\n", "70,5,8,8,0.7,1,-1,-1\n"
FOUND = {  # by model, for the pictures a, b and c; `plain` misses 1, 2 and 1 boxes and has no false alarm
    "plain": (CAR, "", BUS),
    "ema": (CAR + BUS, CAR + BUS, BUS + WRONG),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A VisDrone data set of three pictures of 100 x 80 pixels, and its data YAML."""
    root = tmp_path_factory.mktemp("three")
    for part in ("images", "labels", "annotations"):
        (root / "set" / part).mkdir(parents=True)
    for name in "abc":
        cv2.imwrite(str(root / "set" / "images" / f"{name}.jpg"), np.full((80, 100, 3), 90, np.uint8))
        (root / "set" / "annotations" / f"{name}.txt").write_text(TRUTH)
        (root / "set" / "labels" / f"{name}.txt").write_text("3 0.2 0.25 0.2 0.25\n8 0.45 0.5625 0.1 0.125\n")
    file = root / "three.yaml"
    file.write_text(f"path: {root}\ntrain: set/images\nval: set/images\nnames: {dict(enumerate(NAMES))}\n")
    return file


@pytest.fixture
def bench(tmp_path, data):
    """Write a folder of `bench` with the given models and seeds."""

    def write(name="bench", models=("plain", "ema"), seeds=(0, 1), **settings) -> Path:
        folder = tmp_path / name
        (folder / "models").mkdir(parents=True)
        for model in models:
            (folder / "models" / f"{model}.yaml").write_text("nc: 10\n")
        common = {"data": str(data), "content of the data YAML": "0123", "epochs": 2, "imgsz": 64, **settings}
        content = {"settings": common, "models": dict.fromkeys(models, "abcd")}
        (folder / "settings.json").write_text(json.dumps(content))
        for seed in seeds:
            for place, model in enumerate(models):
                run = finished_run(model, seed, 10 + seed + 2 * place + seed * place / 2)
                place_of_run = folder / "runs" / f"{model}-seed{seed}"
                (place_of_run / "detections").mkdir(parents=True)
                for picture, rows in zip("abc", FOUND.get(model, FOUND["plain"]), strict=True):
                    (place_of_run / "detections" / f"{picture}.txt").write_text(rows)
                (place_of_run / "record.json").write_text(run.to_json())
                (place_of_run / "log.txt").write_text("trained\n")
                journal.append(folder / journal.NAME, run)
        return folder

    return write
