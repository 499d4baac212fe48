"""The files of `yolo-attn gates`: gates.json with the stages, gates.csv with the channels, gates.png."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import ultralytics
from matplotlib.figure import Figure

from yolo_attn.analysis.gate_statistics import BINS_PER_UNIT, HIGHEST_BIN, ChannelGates
from yolo_attn.storage import atomic_write


def write(out: Path, model: Path, data: Path, imgsz: int, gates: ChannelGates) -> None:
    """Write gates.json, gates.csv and gates.png into `out`, which is made if it is not there.

    gates.json has the stages by falling size, with null for a number that does not exist, and under `left_out` why a layer has no
    gates.
    """
    out.mkdir(parents=True, exist_ok=True)
    stages = [{key: _or_none(value) for key, value in vars(stage).items()} for stage in gates.stages]
    measured = {"model": str(model), "data": str(data), "imgsz": imgsz, "images": gates.images}
    versions = {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    result = {"bin_width": 1 / BINS_PER_UNIT, "stages": stages, "left_out": gates.left_out}
    text = json.dumps({**measured, **versions, **result}, indent=1, allow_nan=False)
    atomic_write(out / "gates.json", f"{text}\n")
    atomic_write(out / "gates.csv", comma_separated(gates))
    png = io.BytesIO()
    plot(gates, model.name).savefig(png, dpi=150)
    atomic_write(out / "gates.png", png.getvalue())


def comma_separated(gates: ChannelGates) -> str:
    """One line per channel of each layer; empty where a channel has no gate."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["layer", "kind", "height", "width", "channel", "images", "mean", "deviation"])
    for layer in gates.layers:
        rows = zip(layer.images.tolist(), layer.mean.tolist(), layer.deviation.tolist(), strict=True)
        for channel, (images, mean, deviation) in enumerate(rows):
            place = [layer.layer, layer.kind, *layer.size, channel]
            table.writerow([*place, images, _or_none(mean), _or_none(deviation)])
    return text.getvalue()


def plot(gates: ChannelGates, title: str) -> Figure:
    """Draw a histogram for each stage, with a line at its mean, over the range that all stages need."""
    counts = np.array([stage.counts for stage in gates.stages])
    used = np.flatnonzero(counts.sum(0))
    first, last = (used[0], used[-1] + 1) if len(used) else (0, BINS_PER_UNIT)
    figure = Figure(figsize=(7, 0.9 + 1.5 * len(counts)), layout="constrained")
    rows = figure.subplots(len(counts), sharex=True, squeeze=False)[:, 0]
    for axes, stage, row in zip(rows, gates.stages, counts, strict=True):
        share = 100 * row / max(1, stage.gates)
        axes.bar(np.arange(len(row)) / BINS_PER_UNIT, share, 1 / BINS_PER_UNIT, align="edge", color="#0072b2")
        axes.axvline(stage.mean, color="#d55e00", linewidth=1.2)
        outside = stage.below + stage.above
        height, width = stage.size
        caption = f"{height} x {width}: layers {len(stage.layers)}, channels {stage.channels:,}, mean {stage.mean:.3f}"
        if outside:
            caption += f", {outside:,} outside of 0 to {HIGHEST_BIN}"
        axes.set_title(caption, loc="left", fontsize=9)
        axes.set(ylabel="%", xlim=((first - 2) / BINS_PER_UNIT, (last + 2) / BINS_PER_UNIT))
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("gate of a channel in an image")
    figure.suptitle(f"{title}: {gates.images:,} images", fontsize=11)
    return figure


def _or_none(value: Any) -> Any:
    return None if value != value else value  # NaN differs from itself
