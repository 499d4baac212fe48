"""Train a small network with and without `ignored: fill` on drawn pictures with unlabelled crowds, and compare.

python -m scripts.reproduce.ignored [--seeds 5] [--pictures 80] [--epochs 20] [--out runs/ignored]

The crowds are in the pictures, not in the labels; the drawing knows them, so that recall inside the ignored regions can be counted.
A finished run is not repeated. The script is for a CPU: a network with one head at stride 8, since all objects are small.
"""

import json
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
import typer
import yaml
from ultralytics import YOLO

from scripts import results
from yolo_attn.demo import SPLITS, draw
from yolo_attn.detection.presets import PROTOCOL
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.experiment.summary import difference, mean
from yolo_attn.plugin.metrics import average_precision, match_predictions
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES, read
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes

SIZE = (416, 312)
CROWD = (1, 2, 10)  # categories that crowds are made of: pedestrian, people, motor
SURE = 0.25  # score from which `predict` shows a box
TRAINING = {"imgsz": SIZE[0], "batch": 4, "nbs": 4, "optimizer": "AdamW", "lr0": 0.002, "warmup_epochs": 0.5}
TRAINING |= {
    "mosaic": 0,
    "scale": 0.2,
    "amp": False,
    "workers": 0,
    "device": "cpu",
    "plots": False,
    "val": False,
    "cache": "ram",
}
SCORES = {
    "recall": f"recall inside regions, score ≥ {SURE}, %",
    "all_recall": "recall inside regions, any score, %",
    "ap50": "AP50 inside regions",
    "official": "official AP",
    "official50": "official AP50",
}
BACKBONE = [
    [-1, 1, "Conv", [16, 3, 2]],
    [-1, 1, "Conv", [32, 3, 2]],
    [-1, 1, "C2f", [32, True]],
    [-1, 1, "Conv", [64, 3, 2]],
    [-1, 2, "C2f", [64, True]],
    [-1, 1, "SPPF", [64, 5]],
]


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    pictures: Annotated[int, typer.Option(min=1)] = 80,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    out: Path = Path("runs/ignored"),
) -> None:
    """Train seeds x (without, with) and save the table ignored-regions; also after every pair, for a run that is stopped."""
    torch.set_num_threads(1)
    made, out = results.made("ultralytics", "torch"), out.absolute()
    data = draw(out / f"set-{pictures}", (pictures, 1, 40), sizes=(SIZE,), crowds=True)
    scores: dict[str, dict[int, dict[str, float]]] = {"without": {}, "with": {}}
    for seed in range(seeds):
        for key in scores:
            scores[key][seed] = run(data, out / f"{key}-{pictures}-{epochs}-{seed}", key == "with", seed, epochs)
        save(scores, made, pictures, epochs)


def run(data: Path, folder: Path, fill: bool, seed: int, epochs: int) -> dict[str, float]:
    """Train one network and score it on the 40 test pictures."""
    scores = folder / "scores.json"
    if not scores.exists():
        folder.mkdir(parents=True, exist_ok=True)
        model, settings = folder / "model.yaml", folder / "data.yaml"
        model.write_text(yaml.safe_dump({"nc": len(NAMES), "backbone": BACKBONE, "head": [[[5], 1, "Detect", ["nc"]]]}))
        content = {
            "path": str(data),
            "train": f"{SPLITS[0]}/images",
            "val": f"{SPLITS[1]}/images",
            "names": list(NAMES),
        }
        settings.write_text(yaml.safe_dump(content | ({"ignored": "fill"} if fill else {})))
        place = {"project": str(folder), "name": "training", "exist_ok": True}
        YOLO(model).train(data=str(settings), epochs=epochs, seed=seed, **place, **TRAINING)
        test, detections = data / SPLITS[2], folder / "detections"
        predict_visdrone(folder / "training" / "weights" / "last.pt", test / "images", detections, PROTOCOL)
        official = evaluate(test / "annotations", detections, read_sizes(test / "images")).official
        inside = inside_regions(test, detections)
        atomic_write(scores, json.dumps(inside | {"official": official["AP"], "official50": official["AP50"]}))
    return json.loads(scores.read_text(encoding="utf-8"))


def inside_regions(split: Path, detections: Path) -> dict[str, float]:
    """Recall and mean AP50 of the crowd's classes, in percent: objects and detections with their centres in ignored regions."""
    hits, scores, classes, truths = [], [], [], []
    for file in sorted((split / "annotations").glob("*.txt")):
        rows = read(file)
        regions = rows[rows[:, 5] == IGNORED_REGION]
        truth, found = (inner(read(folder / file.name), regions) for folder in (split / "truth", detections))
        boxes, true_boxes = (torch.tensor(np.hstack([r[:, :2], r[:, :2] + r[:, 2:4]])) for r in (found, truth))
        hits.append(match_predictions(boxes, torch.tensor(found[:, 5]), true_boxes, torch.tensor(truth[:, 5])))
        scores.append(found[:, 4])
        classes.append(found[:, 5])
        truths.append(truth[:, 5])
    hit, score, of = np.concatenate(hits), np.concatenate(scores), np.concatenate(truths)
    average, _ = average_precision(hit, score, np.concatenate(classes), of)
    recalls = {"recall": hit[score >= SURE, 0].sum() / len(of), "all_recall": hit[:, 0].sum() / len(of)}
    return {name: 100 * float(value) for name, value in (recalls | {"ap50": average[:, 0].mean()}).items()}


def inner(rows: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Rows (N, 8) of the crowd's categories whose centres lie in one of the regions (M, 8), in order."""
    centres = rows[:, None, :2] + rows[:, None, 2:4] / 2
    lies_in = ((centres > regions[:, :2]) & (centres < regions[:, :2] + regions[:, 2:4])).all(2).any(1)
    return rows[lies_in & np.isin(rows[:, 5], CROWD)]


def save(scores: dict, made: results.Made, pictures: int, epochs: int) -> None:
    """Means and deviations over the seeds, and the difference of each pair with its 95 % interval."""
    table = []
    for key, name in SCORES.items():
        without, filled = ({seed: found[key] for seed, found in scores[side].items()} for side in scores)
        gain = difference(filled, without)
        interval = f"{gain.value:+.2f}" + ("" if gain.low is None else f" ({gain.low:+.2f} to {gain.high:+.2f})")
        cells = []
        for values in (without, filled):
            over_seeds = mean([*values.values()])
            cells.append(
                f"{fmean(values.values()):.2f}"
                + ("" if over_seeds.deviation is None else f" ± {over_seeds.deviation:.2f}")
            )
        table.append((name, *cells, interval))
    note = (
        f"{pictures} drawn pictures of {SIZE[0]} x {SIZE[1]} pixels, {epochs} epochs from scratch, {len(scores['with'])} seeds, 40 test"
        " pictures; means ± standard deviations, and the mean difference of the pairs with its 95 % interval."
    )
    results.save("ignored-regions", ("", "without the key", "`ignored: fill`", "difference"), table, made, note)


if __name__ == "__main__":
    typer.run(main)
