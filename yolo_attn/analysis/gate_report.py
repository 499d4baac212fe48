"""The files of `yolo-attn gates`: gates.json with the stages, gates.csv with the channels, gates.png."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from yolo_attn.analysis import report
from yolo_attn.analysis.gate_statistics import BINS_PER_UNIT, HIGHEST_BIN, ChannelGates


def write(out: Path, conditions: Mapping[str, Any], gates: ChannelGates) -> None:
    """Write gates.json, gates.csv and gates.png into `out`, which is made if it is not there.

    gates.json has the stages by falling size, with null for a number that does not exist, and under `left_out` why a layer has no
    gates.
    """
    stages = [{key: _or_none(value) for key, value in vars(stage).items()} for stage in gates.stages]
    result = {"bin_width": 1 / BINS_PER_UNIT, "stages": stages, "left_out": gates.left_out}
    figure = plot(gates, Path(conditions["model"]).name)
    report.write(out, "gates", {**conditions, "images": gates.images, **result}, [*_channels(gates)], figure)


def _channels(gates: ChannelGates) -> Iterator[dict[str, Any]]:
    for layer in gates.layers:
        height, width = layer.size
        place = {"layer": layer.layer, "kind": layer.kind, "height": height, "width": width}
        columns = (layer.images.tolist(), layer.mean.tolist(), layer.deviation.tolist())
        for channel, (images, mean, deviation) in enumerate(zip(*columns, strict=True)):
            numbers = {"images": images, "mean": _or_none(mean), "deviation": _or_none(deviation)}
            yield {**place, "channel": channel, **numbers}


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
