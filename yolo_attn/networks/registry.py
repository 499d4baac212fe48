"""Whole networks as rows of a model YAML: a row gives several maps, `Feature` rows pick from them, `Classifier` ends a classifier.

    backbone:
      - [-1, 1, ResNet, [50, EMA(32)]]
    head:
      - [-1, 1, Feature, [5]]
      - [-1, 1, Classifier, [nc]]

No row names a width: a module whose output is not as wide as its source says so by `out_channels(channels, *arguments)`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Mapping

import torch
from torch import nn

from yolo_attn.layers import LAYERS

HOMES = {  # loaded when a model names one: torchvision takes a second to import
    "Classifier": "yolo_attn.networks.classifier",
    "Feature": "yolo_attn.networks.registry",
    "MobileNetV2": "yolo_attn.networks.mobilenet",
    "ResNet": "yolo_attn.networks.resnet",
}


def load(name: str) -> type[nn.Module]:
    """The module of that name in HOMES."""
    return getattr(importlib.import_module(HOMES[name]), name)


def classes() -> list[type[nn.Module]]:
    """Every class that a checkpoint of one of these networks may name."""
    homes = {
        importlib.import_module(home) for home in (*HOMES.values(), "torchvision.ops")
    }  # whose blocks are among them
    named = [value for home in homes for value in vars(home).values() if isinstance(value, type)]
    return [value for value in named if issubclass(value, nn.Module)]


class Widths(int):
    """The widths of the maps that a network gives, stage 2 first. As a number, that of the last."""

    def __new__(cls, *stages: int):
        widths = super().__new__(cls, stages[-1])
        widths.stages = stages
        return widths


class Feature(nn.Module):
    """Maps of stages 2 to 5 -> the map (B, C, H, W) of one of them, which has the stride 2 ** stage after the usual stem.

    Args:
        channels: Widths of the network's maps.
        stage: 2 to 5.

    Raises:
        ValueError: The source is no network, or it has no such stage.
    """

    def __init__(self, channels: int, stage: int):
        super().__init__()
        self.out_channels(channels, stage)
        self.stage = stage

    @staticmethod
    def out_channels(channels: int, stage: int) -> int:
        """The width of that stage."""
        if not isinstance(channels, Widths):
            raise ValueError("Feature reads a network such as ResNet; its source gives one map, which needs no picking")
        if not 2 <= stage < 2 + len(channels.stages):
            raise ValueError(f"Feature: there is no stage {stage}; write 2 to {len(channels.stages) + 1}")
        return channels.stages[stage - 2]

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return maps[self.stage - 2]


def attention(text: str) -> tuple[type[nn.Module], list]:
    """The class and the arguments that a text such as `EMA`, `EMA(8)`, `EMCA(srm)` or `CBAM(16, 7, True)` names.

    It is written like a call because Ultralytics reads a text in a row as Python and stops at what is none, `EMA:8` for one.

    Raises:
        ValueError: The text is no such call, or there is no such layer.
    """
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError:
        call = None
    called = call.func if isinstance(call, ast.Call) else call
    if not isinstance(called, ast.Name) or getattr(call, "keywords", []):
        raise ValueError(f"{text!r} names no layer; write it like EMA or EMA(8)")
    if called.id not in LAYERS:
        raise ValueError(f"there is no layer {called.id!r}; known are {', '.join(LAYERS)}")
    arguments = call.args if isinstance(call, ast.Call) else []
    return LAYERS[called.id], [node.id if isinstance(node, ast.Name) else ast.literal_eval(node) for node in arguments]


def takes_stride(layer: type[nn.Module]) -> bool:
    """Whether a layer can stand in place of a convolution."""
    return "stride" in inspect.signature(layer).parameters


def carry(network: nn.Module, state: Mapping[str, torch.Tensor]) -> float:
    """Load every weight of torchvision's network that has a home in ours, which uses the same names.

    Args:
        network: A ResNet or MobileNetV2 of this package, of the same depth: `YOLO("resnet50-ema-cls.yaml").model.model[0]`.
        state: State dict of torchvision's: `torchvision.models.resnet50(weights="DEFAULT").state_dict()`.

    Returns:
        The share of the network's parameters that were carried, 0 to 1.

    Raises:
        ValueError: None was.
    """
    own = network.state_dict()
    carried = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    sizes = {key: parameter.numel() for key, parameter in network.named_parameters()}
    share = sum(size for key, size in sizes.items() if key in carried) / sum(sizes.values())
    if not share:
        raise ValueError(f"none of the {len(state)} tensors fits {type(network).__name__}: is it of another family?")
    network.load_state_dict(carried, strict=False)
    return share
