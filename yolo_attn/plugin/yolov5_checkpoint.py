"""Checkpoints of YOLOv5 v6 itself as models of `yolov5-v6.yaml`: `read_yolov5` and `save_checkpoint`.

The release and its layout: https://github.com/ultralytics/yolov5 (v6.0 to v7.0, detectors with three levels).
"""

from pathlib import Path
from typing import Any

import torch
import ultralytics
import yaml
from ultralytics.nn.tasks import DetectionModel

from yolo_attn.plugin.files import find
from yolo_attn.plugin.yolov5_pickle import Placeholder, read_pickle, state_dict

MODEL = "yolov5-v6.yaml"
HEAD = "model.24."
SCALES = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}  # by channels of the first convolution


def read_yolov5(path: str | Path) -> DetectionModel:
    """Return a YOLOv5 v6 checkpoint, pickled or a state dict, as a model of `yolov5-v6.yaml` with its weights, anchors and class names.

    No code that the file names is run. Scale and number of classes are read off the weights.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, or none of a YOLOv5 v6 detector with three levels.
    """
    path = Path(path)
    weights, names = weights_and_names(read_pickle(path), path)
    scale, classes = scale_and_classes(weights, path)
    rows = yaml.safe_load(find(MODEL).read_text(encoding="utf-8"))
    model = DetectionModel({**rows, "scale": scale, "nc": classes}, verbose=False)
    head: Any = model.model[-1]
    anchors = weights.pop(f"{HEAD}anchors")  # in cells of their level
    weights.pop(f"{HEAD}anchor_grid", None)  # the same in pixels, in older files
    weights[f"{HEAD}sizes"] = anchors.float() * head.stride.view(-1, 1, 1) if len(anchors) == head.nl else anchors
    own = model.state_dict()
    shapes, wanted = ({key: value.shape for key, value in entry.items()} for entry in (weights, own))
    if differing := [key for key in {**wanted, **shapes} if wanted.get(key) != shapes.get(key)]:
        raise ValueError(
            f"{path}: {len(differing)} tensors are not those of YOLOv5 v6 at scale {scale}, {differing[0]} first;"
            " only detectors of the releases v6.0 to v7.0 with three levels can be read"
        )
    model.load_state_dict(weights)
    if len(names) == classes:
        model.names = names
    return model


def weights_and_names(loaded: Any, path: Path) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
    """Return the tensors in a loaded checkpoint by name, those of the moving average if it has any, and its class names."""
    names: Any = None
    if isinstance(loaded, dict) and "model" in loaded:
        average = loaded.get("ema")
        loaded = loaded["model"] if average is None else average
    if isinstance(loaded, Placeholder):
        names, loaded = vars(loaded).get("names"), state_dict(loaded)
    if (
        not isinstance(loaded, dict)
        or not loaded
        or not all(isinstance(value, torch.Tensor) for value in loaded.values())
    ):
        raise ValueError(
            f"{path}: holds neither a model nor a state dict; give a checkpoint of YOLOv5 v6, such as yolov5s.pt"
        )
    named = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, dict) else {}
    return {key.removeprefix("module."): value for key, value in loaded.items()}, named


def scale_and_classes(weights: dict[str, torch.Tensor], path: Path) -> tuple[str, int]:
    """Return the letter of the scale and the number of classes of the weights of a YOLOv5 v6 detector."""
    stem, bias = weights.get("model.0.conv.weight"), weights.get(f"{HEAD}m.0.bias")
    if stem is None or stem.shape[1:] != (3, 6, 6) or len(stem) not in SCALES:
        found = "is missing" if stem is None else f"is {'x'.join(map(str, stem.shape))}"
        raise ValueError(
            f"{path}: is no YOLOv5 v6: its first convolution {found}, where v6 has {', '.join(map(str, SCALES))} channels of 3x6x6"
        )
    if bias is None or len(bias) % 3 or len(bias) < 18 or f"{HEAD}anchors" not in weights:
        raise ValueError(
            f"{path}: has no detection head of YOLOv5 with three levels in row 24; other heads cannot be read"
        )
    return SCALES[len(stem)], len(bias) // 3 - 5


def save_checkpoint(model: DetectionModel, path: Path) -> None:
    """Write a model as a checkpoint that every stock command opens."""
    torch.save({"model": model, "version": ultralytics.__version__, "train_args": {"task": "detect"}}, path)
