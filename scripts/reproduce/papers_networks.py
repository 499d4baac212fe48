"""The networks that papers.jsonl names, built on the meta device, and the input that their FLOPs are printed for."""

from pathlib import Path

import torch
import yaml
from torch import nn
from torchvision.models import detection
from ultralytics.nn import tasks

from yolo_attn import networks
from yolo_attn.networks.fpn import FPN
from yolo_attn.plugin.files import find

HERE = Path(__file__).parent
QUOTES = "''"  # an empty argument in a row
COCO = {"FasterRCNN": 81, "MaskRCNN": 81, "RetinaNet": 80}  # classes; the first two count the background
REGIONS, MASKS = 1000, 100  # that the published counts of Faster R-CNN and Mask R-CNN assume
COCO_SIZE, YOLO_SIZE, CIFAR_SIZE, IMAGENET_SIZE = (800, 1280), (640, 640), (32, 32), (224, 224)


def build(spec: dict) -> tuple[nn.Module, tuple[int, int]]:
    """The network of a row of papers.jsonl in evaluation mode, and height and width of the image for its FLOPs."""
    with torch.device("meta"):
        if "yolo" in spec:
            return yolo(spec["yolo"], spec["scale"], spec["classes"]), YOLO_SIZE
        name, arguments = spec["network"]
        network = networks.load(name)(3, *arguments)
        if "detector" in spec:
            return Detector(network, spec["detector"]).eval(), COCO_SIZE
        width = type(network).stage_widths(*arguments)[-1]
        size = CIFAR_SIZE if "cifar" in arguments else IMAGENET_SIZE
        return Classifier(network, width, spec["classes"]).eval(), size


def label(spec: dict) -> str:
    """How a user writes the network: a row of a model YAML, a file, or torchvision's detector around a row."""
    if "yolo" in spec:
        return scaled(spec["yolo"], spec["scale"])
    name, arguments = spec["network"]
    while arguments and arguments[-1] in ("", "end"):  # defaults
        arguments = arguments[:-1]
    row = f"{name}, [{', '.join(str(argument) or QUOTES for argument in arguments)}]"
    return f"{spec['detector']} over {row}" if "detector" in spec else row


def scaled(file: str, scale: str) -> str:
    """The name that takes one scale of a file: yolov5-v6-ema.yaml at s -> yolov5s-v6-ema.yaml."""
    return file.replace("yolov5", f"yolov5{scale}", 1)


class Classifier(nn.Module):
    """image -> classes, by a network and the papers' head."""

    def __init__(self, network: nn.Module, width: int, classes: int):
        super().__init__()
        self.network, self.linear = network, nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.network(x)[-1].mean((2, 3)))


class Detector(nn.Module):
    """A detector of torchvision over a network. One pass runs every part once, on as many regions as the published counts assume."""

    def __init__(self, network: nn.Module, kind: str):
        super().__init__()
        self.detector = getattr(detection, kind)(FPN(network, retinanet=kind == "RetinaNet"), num_classes=COCO[kind])

    def forward(self, x: torch.Tensor) -> None:
        feature_maps = list(self.detector.backbone(x).values())
        if isinstance(self.detector, detection.RetinaNet):
            self.detector.head(feature_maps)
            return
        self.detector.rpn.head(feature_maps)
        heads, width = self.detector.roi_heads, self.detector.backbone.out_channels
        heads.box_predictor(heads.box_head(x.new_empty(REGIONS, width, 7, 7)))
        if heads.mask_head is not None:
            heads.mask_predictor(heads.mask_head(x.new_empty(MASKS, width, 14, 14)))


def yolo(file: str, scale: str, classes: int) -> nn.Module:
    """The rows of a file of cfg/ or of this folder as a model whose head does not decode."""
    path = HERE / file if (HERE / file).is_file() else find(file)
    model = tasks.BaseModel()
    described = {**yaml.safe_load(path.read_text(encoding="utf-8")), "scale": scale, "nc": classes}
    model.model, model.save = tasks.parse_model(described, ch=3, verbose=False)
    model.eval()
    model.model[-1].train()  # decoding needs numbers, which the meta device has not
    return model
