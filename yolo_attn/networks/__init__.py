"""Whole networks as rows of a model YAML: a row gives several feature maps, `Feature` rows pick from them, `Classifier` ends a classifier.

    backbone:
      - [-1, 1, ResNet, [50, EMA(32)]]
    head:
      - [-1, 1, Feature, [5]]
      - [-1, 1, Classifier, [nc]]

resnet.py, mobilenet.py    the networks; residual_blocks.py the blocks of the first
abn.py                     a ResNet whose stage 4 is gated by an attention branch
fpn.py                     a ResNet under torchvision's Faster R-CNN, Mask R-CNN and RetinaNet
classifier.py              the head of the papers' classifiers
anchor_detect.py           the anchor-based head of YOLOv5 v6.0; anchor_loss.py its loss, anchors.py whether anchors fit the data
row_arguments.py           a layer and its arguments written as a call, `EMA(32)`, and checks of words
torchvision_weights.py     torchvision's weights for these networks

A network says the widths of its feature maps by `stage_widths(*arguments)`; `Feature, [5]` picks that of stage 5 (stride 32
after the usual stem) and is built as Ultralytics' `Index`.
"""

import importlib

from torch import nn

MODULES = {  # name of a row: where its class is; loaded when a model names one, torchvision takes a second to import
    "ABN": "yolo_attn.networks.abn",
    "AnchorDetect": "yolo_attn.networks.anchor_detect",
    "Classifier": "yolo_attn.networks.classifier",
    "MobileNetV2": "yolo_attn.networks.mobilenet",
    "ResNet": "yolo_attn.networks.resnet",
}
FEATURE = "Feature"
ROW_NAMES = (*MODULES, FEATURE)


def load(name: str) -> type[nn.Module]:
    """Return the class that a row of MODULES names."""
    return getattr(importlib.import_module(MODULES[name]), name)


def classes() -> list[type[nn.Module]]:
    """Return every class that a checkpoint of one of these networks may name."""
    files = (*MODULES.values(), "torchvision.ops")  # the last has blocks of MobileNetV2
    values = [value for file in files for value in vars(importlib.import_module(file)).values()]
    return [value for value in values if isinstance(value, type) and issubclass(value, nn.Module)]
