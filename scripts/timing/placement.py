"""What a layer costs at each place of a model: python -m scripts.timing.placement [--family yolo11] [--scales n,s] [--rounds 15]"""

import copy
import os
import tempfile
import warnings
from pathlib import Path
from typing import Annotated

import torch
import typer
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from scripts import results
from scripts.timing.forms import forward
from scripts.timing.models import onnx_call
from scripts.timing.timer import DEVICE, interleaved, spread
from yolo_attn.model_yaml.edit import insert_all
from yolo_attn.model_yaml.inside import insert_inside
from yolo_attn.plugin.files import find

# Arguments that fit every width of scale n, so that a layer is the same at all places.
LAYERS = ("EMA:8", "CA:8", "CBAM:8", "ECA", "SA:8")
ROWS = {"end of backbone": ["backbone-end"], "stages": ["stages"], "neck": ["neck"]}
INSIDE = {"inside backbone": ["backbone"], "inside all": ["all"]}


def main(
    family: Annotated[str, typer.Option(help="Stem of the stock model YAML.")] = "yolo11",
    scales: Annotated[str, typer.Option(help="Scales, separated by commas.")] = "n,s",
    layers: Annotated[str, typer.Option(help="Layers, separated by semicolons.")] = ";".join(LAYERS),
    imgsz: Annotated[int, typer.Option(help="Height and width of the image in pixels.")] = 640,
    rounds: Annotated[int, typer.Option(help="Turns of each model.")] = 15,
) -> None:
    """Milliseconds of one image with a layer at each place, each with its ratio to the stock model."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    LOGGER.setLevel("ERROR")
    text = find(f"{family}.yaml").read_text(encoding="utf-8")
    os.chdir(tempfile.mkdtemp())  # exports land here
    rows = [
        row
        for scale in scales.split(",")
        for layer in layers.split(";")
        for row in of(text, family + scale, layer, imgsz, rounds)
    ]
    columns = ("model", "layer", "place", "layers", "parameters", "eager", "onnxruntime")
    note = (
        f"{imgsz} x {imgsz} px, batch 1, float32, one thread; eager is the fused model; {rounds} rounds; milliseconds."
    )
    results.save("placement-cost", columns, rows, results.made("torch", "onnxruntime", "ultralytics"), note)


def of(text: str, name: str, layer: str, imgsz: int, rounds: int) -> list[tuple]:
    """The rows of one layer in one model: the stock model, then each place."""
    texts = {"stock": text}
    texts |= {place: insert_all(text, [layer], roles) for place, roles in ROWS.items()}
    texts |= {place: insert_inside(text, [layer], roles) for place, roles in INSIDE.items()}
    models = {place: built(written, name, place) for place, written in texts.items()}
    x = torch.rand(1, 3, imgsz, imgsz, device=DEVICE)
    networks = {place: model.model.to(DEVICE).eval() for place, model in models.items()}
    fused = {place: copy.deepcopy(network).fuse(verbose=False) for place, network in networks.items()}
    eager = interleaved({place: forward(network, x) for place, network in fused.items()}, rounds)
    runtime = interleaved({place: onnx_call(model, x) for place, model in models.items()}, rounds)
    kind = layer.partition(":")[0]
    return [
        (
            name,
            "" if place == "stock" else layer,
            place,
            sum(type(module).__name__ == kind for module in network.modules()),
            sum(parameter.numel() for parameter in network.parameters()),
            spread(eager[place], eager["stock"]),
            spread(runtime[place], runtime["stock"]),
        )
        for place, network in networks.items()
    ]


def built(text: str, name: str, place: str) -> YOLO:
    """The model of a text, from a file whose name gives the scale."""
    file = Path(f"{name}-{place.replace(' ', '-')}.yaml")
    file.write_text(text, encoding="utf-8")
    return YOLO(str(file))


if __name__ == "__main__":
    typer.run(main)
