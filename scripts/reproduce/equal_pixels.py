"""Whole pictures or tiles, in training and prediction: yolov5n-p2-ema trained both ways on as many pixels, compared on one split.

python -m scripts.reproduce.equal_pixels [--epochs 3] [--only whole|tiles] [--out runs/equal-pixels]

The pictures are drawn, 2000 x 1500. In the training on whole pictures one has as many pixels as three tiles, so batches and epochs
are chosen to give both trainings the same number of pixels a step, and in all. Both start from the weights of one training on the
small pictures of the demo set. A finished training is not repeated, nor is a finished way of the comparison; delete OUT/compared to
measure the times again. The script is for a CPU.
"""

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
import yaml
from ultralytics import YOLO

from scripts import results
from yolo_attn.demo import SPLITS, draw
from yolo_attn.detection.compare import Row, Way, compare, marked
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.storage import atomic_write
from yolo_attn.tiling import TileGrid
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.prepare import LIST, prepare
from yolo_attn.visdrone.tile import tile_splits
from yolo_attn.yolo_format.tile_files import Tiling

MODEL = "yolov5n-p2-ema.yaml"
SIZE, PICTURES = (2000, 1500), (40, 10, 10)
WIDTH, HEIGHT, TILE = 1280, 960, 640  # inputs of the trainings
WAYS = (
    *(Way(imgsz) for imgsz in (640, 960, 1280, 1920)),
    *(Way(TILE, TileSettings(TileGrid.parse(cut))) for cut in ("2x2", "3x2", str(TILE))),
)
SETTINGS = {"optimizer": "AdamW", "mosaic": 0, "scale": 0.2, "amp": False, "seed": 0, "device": "cpu", "workers": 0}
SETTINGS |= {"plots": False, "val": False, "exist_ok": True}
START = {"epochs": 10, "imgsz": 416, "batch": 4, "nbs": 4, "lr0": 0.002, "warmup_epochs": 0.5, "cache": "ram"}
FURTHER = {"lr0": 0.001, "warmup_epochs": 0}


def main(
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the training on tiles.")] = 3,
    only: Annotated[
        str | None, typer.Option(help="Train whole or tiles, and make no table: to run both at once.")
    ] = None,
    out: Path = Path("runs/equal-pixels"),
) -> None:
    """Train both ways, compare them on the validation pictures, and save the table equal-pixels."""
    torch.set_num_threads(1)
    made, out = results.made("ultralytics", "torch"), out.absolute()
    root = draw(out / "large", PICTURES, sizes=(SIZE,))
    prepare(root, ["train", "val"])
    tiled, reports = tile_splits(root, ["train"], Tiling(TileGrid(TILE)))
    tiles = reports["train"].tiles
    whole_epochs = round(epochs * tiles * TILE**2 / (PICTURES[0] * WIDTH * HEIGHT))
    whole = data_yaml(out / "whole.yaml", root, LIST, {"ignored": "fill"})
    small = data_yaml(out / "small.yaml", draw(out / "small"), "images", {})
    start = trained(out / "start", START["epochs"], data=small, **START)
    trainings = {
        "whole": {"data": whole, "imgsz": WIDTH, "rect": True, "epochs": whole_epochs, "batch": 2, "nbs": 2},
        "tiles": {"data": tiled, "imgsz": TILE, "epochs": epochs, "batch": 6, "nbs": 6},
    }
    val, rows = root / SPLITS[1], {}
    for name in [only] if only else trainings:
        model = trained(out / name, whole_epochs, pretrained=start, **FURTHER, **trainings[name])
        if not only:
            rows[name] = compare(model, val / "images", val / "annotations", out / "compared" / name, WAYS)
    if only:
        return
    megapixels = (whole_epochs * PICTURES[0] * WIDTH * HEIGHT / 1e6, epochs * tiles * TILE**2 / 1e6)
    note = (
        f"{PICTURES[0]} drawn pictures of {SIZE[0]} x {SIZE[1]} pixels to train on, {PICTURES[1]} to compare on, one seed. Trained"
        f" whole: {whole_epochs} epochs of {PICTURES[0]} pictures at {WIDTH} x {HEIGHT}, {megapixels[0]:.0f} megapixels, batch 2."
        f" Trained on tiles: {epochs} epochs of {tiles} tiles of {TILE} x {TILE}, {megapixels[1]:.0f} megapixels, batch 6. Both start"
        f" from {START['epochs']} epochs on the demo set's 160 small pictures at {START['imgsz']}. Tiles, and the whole picture that"
        f" runs beside them, are scaled to {TILE}. AP by size (pixels) is not official. A star: no way of either training with as many"
        " megapixels, or as many seconds, or fewer, has a higher AP."
    )
    save(rows, made, note)


def data_yaml(path: Path, root: Path, of_split: str, more: dict[str, str]) -> Path:
    """Write the data YAML of a drawn set and return its path."""
    splits = {key: f"{split}/{of_split}" for key, split in zip(("train", "val"), SPLITS, strict=False)}
    atomic_write(path, yaml.safe_dump({"path": str(root), **splits, "names": list(NAMES), **more}))
    return path


def trained(folder: Path, falls: int, **settings: Any) -> Path:
    """Train the model with a learning rate that falls this often, unless that is done, and return its last checkpoint."""
    finished, weights = folder / "finished", folder / "weights" / "last.pt"
    if not finished.exists():
        model = YOLO(MODEL)
        if falls != settings["epochs"]:
            model.add_callback("on_train_batch_start", LearningRate(falls))
        model.train(project=str(folder.parent), name=folder.name, **SETTINGS, **settings)
        finished.touch()
    return weights


class LearningRate:
    """Lets the learning rate fall a number of times in a training, at equal distances; Ultralytics' own falls once an epoch."""

    def __init__(self, falls: int):
        self.falls, self.step = falls, 0

    def __call__(self, trainer: Any) -> None:
        """Set the rate of the next step."""
        steps = trainer.epochs * len(trainer.train_loader)
        done = self.step * self.falls // steps / self.falls  # share of the training
        for group in trainer.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * trainer.lf(done * trainer.epochs)
        self.step += 1


def save(compared: dict[str, tuple[Row, ...]], made: results.Made, note: str) -> None:
    """One row for each training and way, by megapixels, the best of all at each budget marked."""
    rows = marked([replace(row, way=f"{name}, {row.way}") for name, found in compared.items() for row in found])
    table = [
        (
            *row.way.split(", "),
            *(row.official[score] for score in ("AP", "AP50", "AR500")),
            f"{row.megapixels:.2f}{' *' if row.best_for_pixels else ''}",
            f"{row.seconds:.2f}{' *' if row.best_for_seconds else ''}",
            *(None if isnan(value) else value for value in row.ap_by_size.values()),
        )
        for row in rows
    ]
    columns = ("trained on", "predicted", "AP", "AP50", "AR500", "megapixels", "seconds", *rows[0].ap_by_size)
    results.save("equal-pixels", columns, table, made, note)


if __name__ == "__main__":
    typer.run(main)
