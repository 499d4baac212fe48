"""Weights that reach a model with inserted rows or a network with attention, and the accuracy before and after some training.

python -m scripts.reproduce.transfer counts
python -m scripts.reproduce.transfer networks
python -m scripts.reproduce.transfer start base.pt     base.pt: a yolov5n trained on the demo set (docs/guides/pretrained-weights.md)
python -m scripts.reproduce.transfer epochs base.pt
"""

import csv
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import cv2
import torch
import typer
import yaml
from torchvision import models as torchvision_models
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.torch_utils import intersect_dicts

from scripts import results
from yolo_attn import networks as attention_networks
from yolo_attn.model_yaml import edit
from yolo_attn.networks.torchvision_weights import load_torchvision_weights
from yolo_attn.plugin.files import find
from yolo_attn.plugin.renumbering import renumbered
from yolo_attn.plugin.weights import transfer

PLACES = ("backbone-end", "stages", "neck")
FAMILIES = ("yolov5", "yolov8", "yolo11", "yolo26")
VARIANTS = (("yolov5", "yolov5-p2"), ("yolov5", "yolov5-p2-ema"), ("yolov8", "yolov8-p2"), ("yolo26", "yolo26-p2"))
LAYERS = ("EMA", "CA", "CBAM", "ECA", "SA:8")  # the finest map of yolov5n is too narrow for 64 groups
NETWORKS = (
    ("ResNet", (50,)),
    *(("ResNet", (50, layer)) for layer in ("SE", "ECA", "SA", "CBAM", "CA", "EMA(32)", "GAM")),
    ("ResNet", (50, "EMCA", "first")),
    ("ResNet", (50, "EPSA", "conv")),
    ("ResNet", (50, "DMSA", "conv")),
    ("MobileNetV2", ("SE",)),
)
DATA = {"data": "aerial-demo.yaml", "imgsz": 416, "device": "cpu", "plots": False, "verbose": False, "workers": 1}
TRAINING = {"batch": 4, "nbs": 4, "optimizer": "AdamW", "lr0": 0.0005, "warmup_epochs": 0}
TRAINING |= {"mosaic": 0, "scale": 0.2, "amp": False}
EPOCHS, FOLDER = 3, Path("runs/transfer")

app = typer.Typer(no_args_is_help=True)


@app.command()
def counts() -> None:
    """Tensors that arrive by key alone and with yolo_attn. Weights are random: only keys, shapes and rows matter."""
    table = [
        count(f"{family}s, EMA at {place}", text(family), inserted(family, "EMA", place))
        for family, place in product(FAMILIES, PLACES)
    ]
    case = "yolov5s, EMA at backbone-end, 10 classes of 80"
    table.append(count(case, text("yolov5"), inserted("yolov5", "EMA", "backbone-end"), nc=10))
    table += [count(f"{family}s into {variant}", text(family), text(variant)) for family, variant in VARIANTS]
    shares = ("of the source's elements", "of the target's parameters")
    columns = ("model", "tensors of the source", "by key", "of which misplaced", "with yolo_attn", *shares)
    results.save("transfer-counts", columns, table, results.made("ultralytics"))


def text(name: str) -> str:
    return find(f"{name}.yaml").read_text(encoding="utf-8")


def inserted(family: str, layer: str, place: str) -> str:
    return edit.insert_all(text(family), [layer], [place])


def count(name: str, source_text: str, target_text: str, nc: int = 80) -> tuple:
    """A row of the table, at scale s."""
    source = DetectionModel({**yaml.safe_load(source_text), "scale": "s"}, verbose=False)
    target = DetectionModel({**yaml.safe_load(target_text), "scale": "s"}, nc=nc, verbose=False)
    given, by_key = source.state_dict(), intersect_dicts(source.state_dict(), target.state_dict())
    carried = transfer(source, target)
    counterpart = dict(carried.matched)
    misplaced = sum(counterpart.get(int(key.split(".")[1])) != int(key.split(".")[1]) for key in by_key)
    arrived = intersect_dicts(renumbered(source, target, carried.matched).state_dict(), target.state_dict())
    share = sum(value.numel() for value in arrived.values()) / sum(value.numel() for value in given.values())
    return (name, len(given), len(by_key), misplaced, carried.carried_tensors, f"{share:.1%}", f"{carried.share:.1%}")


@app.command()
def networks() -> None:
    """Share of a network with attention that torchvision's weights fill. Random weights under the same names stand in for them."""
    table = []
    for kind, arguments in NETWORKS:
        torch.manual_seed(0)
        network = attention_networks.load(kind)(3, *arguments)
        pretrained = torchvision_models.resnet50() if kind == "ResNet" else torchvision_models.mobilenet_v2()
        share = load_torchvision_weights(network, pretrained.state_dict())
        table.append((f"`[-1, 1, {kind}, [{', '.join(map(str, arguments))}]]`", f"{share:.2%}"))
    columns = ("row", "share of the network's parameters carried")
    results.save("network-weights", columns, table, results.made("torch", "torchvision"))


@app.command()
def start(weights: Path) -> None:
    """The transferred model against its source: the change of the feature maps that enter the head, and the mAP50."""
    source, images = YOLO(weights), pictures()
    expected, base = head_inputs(source, images), source.val(**DATA).box.map50
    table: list[tuple] = [("none, the source", None, None, base)]
    for place, layer in product(("backbone-end", "neck"), (*LAYERS, "ReZero:EMA")):
        model = transferred(layer, place, weights)
        change = (head_inputs(model, images) - expected).norm() / expected.norm()
        table.append((layer, place, f"{change:.1%}", model.val(**DATA).box.map50))
    columns = ("layer", "place", "change of the head's input", "mAP50")
    results.save("transfer-start", columns, table, results.made("ultralytics", "torch"))


@app.command()
def epochs(weights: Path) -> None:
    """The mAP50 of the first epochs, with and without ReZero. A finished run in the folder is not repeated."""
    table = []
    for layer in ("EMA", "ReZero:EMA", "CBAM", "ReZero:CBAM"):
        curves = [curve(layer, weights, seed) for seed in range(3)]
        table.append((layer, *(f"{mean(values):.3f} ± {stdev(values):.3f}" for values in zip(*curves, strict=True))))
    columns = ("layer", *(f"epoch {number + 1}" for number in range(EPOCHS)))
    results.save("transfer-epochs", columns, table, results.made("ultralytics", "torch"))


def curve(layer: str, weights: Path, seed: int) -> list[float]:
    """The mAP50 after each epoch of one run with the layer in the neck."""
    file = FOLDER.absolute() / f"{layer.replace(':', '-')}-neck-{seed}" / "results.csv"
    if not file.exists() or len(file.read_text().splitlines()) <= EPOCHS:
        torch.manual_seed(seed)  # the new layer's weights
        place_of_run = {"project": str(file.parents[1]), "name": file.parent.name, "exist_ok": True}
        transferred(layer, "neck", weights).train(epochs=EPOCHS, seed=seed, **place_of_run, **DATA, **TRAINING)
    with file.open() as lines:
        return [float(row["metrics/mAP50(B)"]) for row in csv.DictReader(lines, skipinitialspace=True)]


def transferred(layer: str, place: str, weights: Path) -> YOLO:
    """yolov5n with the layer at the place and the weights of the checkpoint."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"yolov5n-{layer.replace(':', '-')}-{place}.yaml"
    classes = len(YOLO(weights).names)
    file.write_text(inserted("yolov5", layer, place).replace("nc: 80", f"nc: {classes}"), encoding="utf-8")
    return YOLO(file, verbose=False).load(weights)


def head_inputs(model: YOLO, images: torch.Tensor) -> torch.Tensor:
    """The feature maps that enter the head, in one vector."""
    caught: list[torch.Tensor] = []
    hook = model.model.model[-1].register_forward_pre_hook(lambda module, inputs: caught.extend(inputs[0]))
    with torch.inference_mode():
        model.model.float().eval()(images)
    hook.remove()
    return torch.cat([entry.flatten() for entry in caught])


def pictures(size: int = 416, count: int = 4) -> torch.Tensor:
    """The first validation pictures, (count, 3, size, size) in 0 to 1."""
    files = sorted(Path(check_det_dataset(DATA["data"])["val"]).iterdir())[:count]
    resized = [cv2.resize(cv2.imread(str(file)), (size, size))[..., ::-1].copy() for file in files]
    return torch.stack([torch.from_numpy(picture) for picture in resized]).permute(0, 3, 1, 2) / 255


if __name__ == "__main__":
    app()
