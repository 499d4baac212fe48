"""Checkpoints of YOLOv5 itself (v6.0 and later), whose classes are not installed here.

A pickled checkpoint is read with a stand-in for every class of YOLOv5, so that none of its code is needed or run.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from torch import nn
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import LOGGER

from yolo_attn.plugin.files import find

MODEL = "yolov5-v6.yaml"
TRUSTED = ("torch", "numpy", "collections", "pathlib", "builtins", "_codecs")
HEAD = "model.24."  # of every YOLOv5 without further levels


class _Standin(nn.Module):
    """Holds what a class of YOLOv5 held: parameters, buffers, children."""

    def __init__(self, *_arguments):
        super().__init__()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if module.partition(".")[0] not in TRUSTED or name in {"eval", "exec", "__import__", "open", "getattr"}:
            return _Standin
        return super().find_class(module, name)


class _PickleModule:
    """What `torch.load` needs of a pickle module."""

    Unpickler = _Unpickler
    load, loads, dump, dumps = pickle.load, pickle.loads, pickle.dump, pickle.dumps


def read_yolov5(path: str | Path) -> DetectionModel:
    """A checkpoint of YOLOv5, pickled or a state dict -> the same network as a model of yolov5-v6.yaml, with its weights.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint of a YOLOv5 v6 detector with three levels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such checkpoint")
    try:
        loaded = torch.load(path, map_location="cpu", pickle_module=_PickleModule, weights_only=False)
    except (pickle.UnpicklingError, EOFError, RuntimeError, AttributeError, ImportError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint ({str(error).splitlines()[0]})") from error
    state, names = weights_and_names(loaded, path)
    scale, nc = scale_and_classes(state, path)
    text = yaml.safe_load(find(MODEL).read_text(encoding="utf-8"))
    model = DetectionModel({**text, "scale": scale, "nc": nc}, verbose=False)
    sizes = state.pop(f"{HEAD}anchors", None)
    own = model.state_dict()
    unknown = [key for key in own if key != f"{HEAD}sizes" and (key not in state or state[key].shape != own[key].shape)]
    if unknown:
        raise ValueError(
            f"{path}: is no YOLOv5 v6 of scale {scale}: {len(unknown)} of {len(own)} tensors differ, {unknown[0]} first"
        )
    model.load_state_dict({**state, f"{HEAD}sizes": own[f"{HEAD}sizes"]}, strict=False)
    if sizes is not None:
        model.model[-1].sizes.copy_(sizes.float().view_as(own[f"{HEAD}sizes"]) * model.model[-1].stride[:, None, None])
    if names:
        model.names = names
    LOGGER.info(f"{path}: YOLOv5 at scale {scale}, {nc} classes, {len(own)} tensors read")
    return model


def weights_and_names(loaded: object, path: Path) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
    """The state dict in what was loaded, in float32, and its class names if it has any."""
    names: object = None
    if isinstance(loaded, Mapping) and "model" in loaded:
        loaded = loaded.get("ema") or loaded["model"]
    if isinstance(loaded, nn.Module):
        names, loaded = loaded.__dict__.get("names"), loaded.state_dict()
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ValueError(
            f"{path}: holds a {type(loaded).__name__}; give a checkpoint or a state dict of a YOLOv5 detector"
        )
    state = OrderedDict(
        (key.removeprefix("module."), value.float() if value.is_floating_point() else value)
        for key, value in loaded.items()
    )
    named = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, dict) else {}
    return state, named


def scale_and_classes(state: Mapping[str, torch.Tensor], path: Path) -> tuple[str, int]:
    """The scale letter and the number of classes of a YOLOv5 v6 state dict."""
    stem, head = state.get("model.0.conv.weight"), state.get(f"{HEAD}m.0.bias")
    widths = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}
    if stem is None or head is None or len(stem) not in widths or stem.shape[2] != 6 or len(head) % 3:
        raise ValueError(
            f"{path}: is no detector of YOLOv5 v6 with three levels; its first convolution is"
            f" {'missing' if stem is None else 'x'.join(map(str, stem.shape))}, where v6 has a 6x6 one of 16, 32, 48, 64 or 80 channels"
        )
    return widths[len(stem)], len(head) // 3 - 5
