"""Detectors with attention layers, and pictures for each task."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ultralytics import YOLO

from scripts.reproduce.parity import randomise_weights
from yolo_attn.model_yaml.edit import insert_all
from yolo_attn.plugin.files import find

IMGSZ = 64
NAMES = {0: "red", 1: "green"}
SQUARE = ((0.2, 0.3), (0.7, 0.3), (0.7, 0.8), (0.2, 0.8))


def build(
    folder: Path, stock: str = "yolov8.yaml", layers: tuple[str, ...] = ("EMA:8",), names: dict[int, str] = NAMES
) -> Path:
    """A checkpoint of a stock model with layers in its neck, with drawn weights."""
    text = re.sub(r"^nc: \d+", f"nc: {len(names)}", find(stock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / re.sub(r"(\d+)", r"\1n", stock, count=1)
    file.write_text(insert_all(text, layers, ["neck"]) if layers else text, encoding="utf-8")
    torch.manual_seed(0)
    yolo = YOLO(file)
    randomise_weights(yolo.model)
    for branch in getattr(
        yolo.model.model[-1], "cv2", ()
    ):  # boxes of about four strides, so that some fit into a picture
        with torch.no_grad():
            branch[-1].bias.view(4, 16)[:, 2] += 10
    yolo.model.names, yolo.model.args = names, {"imgsz": IMGSZ, "task": yolo.task}
    torch.save({"model": yolo.model.half(), "train_args": yolo.model.args}, folder / "best.pt")
    return folder / "best.pt"


def pictures(
    root: Path,
    rows: list[str],
    number: int = 6,
    extra: str = "",
    heights: tuple[int, int] = (48, 64),
    names: dict[int, str] = NAMES,
) -> Path:
    """A data YAML of pictures 64 pixels wide, each with the label rows; the last picture has none."""
    generator = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for index in range(number):
        height = heights[index % 2]
        picture = generator.integers(0, 256, (height // 8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / f"{index}.png"), cv2.resize(picture, (64, height)))
        if index < number - 1:
            (root / "labels" / f"{index}.txt").write_text("\n".join(rows) + "\n")
    file = root / "data.yaml"
    file.write_text(f"path: {root}\ntrain: images\nval: images\nnames: {names}\n{extra}")
    return file


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[..., Path]:
    """`build` without a folder; the same checkpoint is built once."""
    return cache(lambda *arguments: build(tmp_path_factory.mktemp("model"), *arguments))


@pytest.fixture(scope="session")
def detector(built) -> Path:
    return built("yolov8.yaml")


@pytest.fixture(scope="session")
def data(tmp_path_factory, detector) -> Path:
    """Pictures of which every second object that the detector finds is labelled, so that its score is not 0."""
    file = pictures(tmp_path_factory.mktemp("pictures") / "set", [], heights=(64, 64))
    label_found(file, detector)
    return file


def label_found(file: Path, detector: Path) -> None:
    """Label every second object that a detector finds in the pictures of a data YAML, all but the last one's."""
    yolo = YOLO(detector)
    for label in sorted((file.parent / "labels").glob("*.txt")):
        picture = cv2.imread(str(file.parent / "images" / f"{label.stem}.png"))
        padded = cv2.copyMakeBorder(
            picture, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=(114, 114, 114)
        )  # as `val` does
        found = yolo.predict(padded, imgsz=96, conf=0.001, verbose=False)[0].boxes
        boxes = (found.xyxy - 16) / 64
        inside = ((boxes > 0) & (boxes < 1)).all(1).nonzero()[::2, 0].tolist()
        assert inside
        centred = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        rows = [" ".join(map(str, [int(found.cls[index]), *centred[index].tolist()])) for index in inside]
        label.write_text("\n".join(rows) + "\n")
