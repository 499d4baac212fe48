"""What an inserted layer does to pretrained weights, at the start and in the first epochs.

    python scripts/transfer_start.py start --weights base.pt
    python scripts/transfer_start.py epochs --weights base.pt --runs FOLDER

The source is a yolov5n trained on the demo set (docs/transfer.md has the command). `start` prints, per layer and place, how far the
transferred model is from its source before any training: the relative change of the maps that enter the head, and the mAP50. `epochs`
trains EMA with and without ReZero for some epochs with each seed and prints the mAP50 after each; a finished run in FOLDER is not repeated.
"""

import csv
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

import torch
import typer
from ultralytics import YOLO

from yolo_attn.models import rows

app = typer.Typer(pretty_exceptions_enable=False)
LAYERS = ("EMA", "CA", "CBAM", "ECA", "SA")
DATA = {"data": "aerial-demo.yaml", "imgsz": 416, "device": "cpu", "plots": False, "verbose": False, "workers": 1}
TRAINING = {"batch": 4, "nbs": 4, "optimizer": "AdamW", "lr0": 0.0005, "warmup_epochs": 0, "mosaic": 0, "scale": 0.2, "amp": False}
Weights = Annotated[Path, typer.Option(help="The checkpoint of a yolov5n.")]


def transferred(layer: str, place: str, weights: Path, folder: Path) -> YOLO:
    """yolov5n with the layer at the place and the weights of the checkpoint."""
    file = folder / f"yolov5n-{layer.replace(':', '-')}-{place}.yaml"
    file.write_text(rows.insert_all(rows.find("yolov5.yaml").read_text(), [layer], [place]))
    names = YOLO(weights).names
    file.write_text(file.read_text().replace("nc: 80", f"nc: {len(names)}"))
    return YOLO(file, verbose=False).load(weights)


def head_inputs(model: YOLO, image: torch.Tensor) -> torch.Tensor:
    """The maps that enter the head, in one vector."""
    caught = []
    hook = model.model.model[-1].register_forward_pre_hook(lambda module, inputs: caught.extend(inputs[0]))
    with torch.inference_mode():
        model.model.float().eval()(image)
    hook.remove()
    return torch.cat([entry.flatten() for entry in caught])


@app.command()
def start(weights: Weights, folder: Path = Path("runs/transfer")) -> None:
    """The table of the first forward pass."""
    folder.mkdir(parents=True, exist_ok=True)
    source = YOLO(weights)
    image = torch.rand(4, 3, 416, 416, generator=torch.Generator().manual_seed(0))
    expected, base = head_inputs(source, image), source.val(**DATA).box.map50
    print(f"| layer | place | change of the head's input | mAP50, source {base:.3f} |\n|---|---|---|---|")
    for place in ("backbone-end", "neck"):
        for layer in (*LAYERS, "ReZero:EMA"):
            model = transferred(layer, place, weights, folder)
            change = (head_inputs(model, image) - expected).norm() / expected.norm()
            print(f"| {layer} | {place} | {change:.1%} | {model.val(**DATA).box.map50:.3f} |", flush=True)


@app.command()
def epochs(weights: Weights, runs: Path = Path("runs/transfer"), count: int = 3, seeds: str = "0,1,2", place: str = "neck") -> None:
    """The table of the first epochs: mean and standard deviation over the seeds."""
    runs.mkdir(parents=True, exist_ok=True)
    print(f"| layer | {' | '.join(f'epoch {number + 1}' for number in range(count))} |\n|---|{'---|' * count}")
    for layer in ("EMA", "ReZero:EMA"):
        curves = []
        for seed in seeds.split(","):
            results = runs.absolute() / f"{layer.replace(':', '-')}-{place}-{seed}" / "results.csv"
            if not results.exists() or len(results.read_text().splitlines()) <= count:
                torch.manual_seed(int(seed))  # the new layer's weights
                model = transferred(layer, place, weights, runs)
                name = {"project": str(results.parents[1]), "name": results.parent.name, "exist_ok": True}
                model.train(epochs=count, seed=int(seed), **name, **DATA, **TRAINING)
            with results.open() as lines:
                rows_read = list(csv.DictReader(lines, skipinitialspace=True))
            curves.append([float(row["metrics/mAP50(B)"]) for row in rows_read])
        cells = [f"{mean(values):.3f} ± {stdev(values):.3f}" for values in zip(*curves, strict=True)]
        print(f"| {layer} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app()
