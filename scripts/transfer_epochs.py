"""The first epochs from transferred weights, with and without ReZero: python scripts/transfer_epochs.py base.pt

Trains yolov5n with a layer in front of the head on the demo set, with each seed, and prints the mAP50 after each epoch.
A finished run in the folder of runs is not repeated. The source is that of transfer_start.py.
"""

import csv
from pathlib import Path
from statistics import mean, stdev

import torch
import typer
from transfer_start import DATA, transferred

TRAINING = {
    "batch": 4,
    "nbs": 4,
    "optimizer": "AdamW",
    "lr0": 0.0005,
    "warmup_epochs": 0,
    "mosaic": 0,
    "scale": 0.2,
    "amp": False,
}


def main(
    weights: Path,
    runs: Path = Path("runs/transfer"),
    count: int = 3,
    seeds: str = "0,1,2",
    place: str = "neck",
    layers: str = "EMA,CBAM",
) -> None:
    """The table of the first epochs: mean and standard deviation over the seeds."""
    runs.mkdir(parents=True, exist_ok=True)
    print(f"| layer | {' | '.join(f'epoch {number + 1}' for number in range(count))} |\n|---|{'---|' * count}")
    for layer in [start + layer for layer in layers.split(",") for start in ("", "ReZero:")]:
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
    typer.run(main)
