"""Compare adaptive tiles with a grid and with whole pictures: official AP of one checkpoint on large drawn pictures.

python -m scripts.reproduce.adaptive CHECKPOINT [--seeds 5] [--pictures 8] [--out runs/adaptive]

The checkpoint is that of scripts.reproduce.equal_pixels, OUT/whole/weights/last.pt there, trained on pictures of 2000 x 1500 at 1280;
tiles of 1000 at 640 show objects as large. A finished way of a drawing is not repeated.
"""

from pathlib import Path
from statistics import fmean
from typing import Annotated

import torch
import typer

from scripts import results
from yolo_attn.demo import SPLITS, draw
from yolo_attn.detection.compare import Row, Way, compare
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.experiment.summary import difference
from yolo_attn.tiling import TileGrid

SIZE, TILE, INPUT = (2000, 1500), 1000, 640
GRID = TileGrid(TILE)
FULL = "all tiles"
WAYS = {
    "whole at 960, as the coarse pass": Way(960),
    "whole at 1280, the scale of the tiles": Way(1280),
    FULL: Way(INPUT, TileSettings(GRID)),
    "`--adaptive 0.5`": Way(INPUT, TileSettings(GRID, adaptive=0.5)),
    "`--adaptive 1`": Way(INPUT, TileSettings(GRID, adaptive=1.0)),
}


def main(
    checkpoint: Path,
    seeds: Annotated[int, typer.Option(min=1, help="Number of drawings.")] = 5,
    pictures: Annotated[int, typer.Option(min=1, help="Number of pictures of a drawing.")] = 8,
    out: Path = Path("runs/adaptive"),
) -> None:
    """Compare the ways on every drawing, and save the table adaptive-tiles; also after every drawing, for a run that is stopped."""
    torch.set_num_threads(1)
    made = results.made("ultralytics", "torch")
    found: dict[int, dict[str, Row]] = {}
    for seed in range(1, seeds + 1):  # 0 is the drawing of the training
        val = draw(out / f"set-{seed}-{pictures}", (1, pictures, 1), seed, sizes=(SIZE,)) / SPLITS[1]
        rows = compare(
            checkpoint, val / "images", val / "annotations", out / f"compared-{seed}-{pictures}", [*WAYS.values()]
        )
        by_way = {row.way: row for row in rows}
        found[seed] = {name: by_way[str(way)] for name, way in WAYS.items()}
        save(found, made, pictures)


def save(found: dict[int, dict[str, Row]], made: results.Made, pictures: int) -> None:
    """Means over the drawings, and the mean difference from the whole grid with its 95 % interval."""
    table = []
    for name in WAYS:
        ap = {seed: rows[name].official["AP"] for seed, rows in found.items()}
        gain = difference(ap, {seed: rows[FULL].official["AP"] for seed, rows in found.items()})
        interval = "" if gain.low is None else f" ({gain.low:+.2f} to {gain.high:+.2f})"
        against = None if name == FULL else f"{gain.value:+.2f}{interval}"
        megapixels, seconds = (
            fmean(getattr(rows[name], cost) for rows in found.values()) for cost in ("megapixels", "seconds")
        )
        table.append((name, fmean(ap.values()), against, megapixels, seconds))
    note = (
        f"{len(found)} drawings of {pictures} pictures of {SIZE[0]} x {SIZE[1]}, tiles of {TILE} x {TILE} at {INPUT}; the network is"
        " trained on whole pictures at 1280. Means over the drawings, and the mean difference of the pairs with its 95 % interval."
        " Megapixels and seconds are those of a picture, the pass over the whole picture included."
    )
    columns = ("way", "official AP", f"against {FULL}", "megapixels", "seconds")
    results.save("adaptive-tiles", columns, table, made, note)


if __name__ == "__main__":
    typer.run(main)
