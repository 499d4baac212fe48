"""One small detector with many boxes, as a checkpoint and exported at dynamic and at fixed size, and pictures to run it on."""

from pathlib import Path

import cv2
import pytest
import torch
import yaml
from ultralytics import YOLO
from ultralytics.utils import ASSETS

from scripts.reproduce.parity import randomise_weights
from yolo_attn.demo import draw
from yolo_attn.visdrone.annotations import NAMES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A checkpoint of yolov5n-ema with VisDrone's classes, drawn weights and spread-out scores."""
    folder = tmp_path_factory.mktemp("detector")
    text = yaml.safe_load((ROOT / "cfg" / "yolov5-ema.yaml").read_text())
    (folder / "yolov5n-ema.yaml").write_text(yaml.safe_dump({**text, "nc": len(NAMES)}))
    torch.manual_seed(0)
    yolo = YOLO(folder / "yolov5n-ema.yaml")
    randomise_weights(yolo.model)
    yolo.model.names = dict(enumerate(NAMES))
    yolo.save(folder / "detector.pt")
    return folder / "detector.pt"


@pytest.fixture(scope="session")
def exported(checkpoint) -> dict[str, Path]:
    """ONNX files of it: dynamic, fixed, and fixed for batches of 3 with height and width apart."""
    exports = {}
    for name, arguments in {
        "dynamic": {"dynamic": True, "imgsz": 256},
        "fixed": {"imgsz": 256},
        "batch3": {"imgsz": [192, 256], "batch": 3},
    }.items():
        file = Path(YOLO(checkpoint).export(format="onnx", verbose=False, **arguments))
        exports[name] = file.rename(file.with_name(f"{name}.onnx"))
    return exports


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    return [ASSETS / "bus.jpg", ASSETS / "zidane.jpg"]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, photographs) -> Path:
    """A folder: the two photographs, three of the demo set, a thin image and a grey one."""
    folder = tmp_path_factory.mktemp("pictures")
    for path in photographs:
        (folder / path.name).write_bytes(path.read_bytes())
    drawn = draw(tmp_path_factory.mktemp("demo") / "set", (1, 1, 1))
    for path in sorted(drawn.rglob("*.jpg")):
        (folder / path.name).write_bytes(path.read_bytes())
    bus = cv2.imread(str(photographs[0]))
    cv2.imwrite(str(folder / "thin.png"), bus[:40])
    cv2.imwrite(str(folder / "grey.png"), cv2.cvtColor(bus, cv2.COLOR_BGR2GRAY))
    return folder
