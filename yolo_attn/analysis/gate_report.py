"""The files of `yolo-attn gates`: gates.json with all numbers, gates.csv with the channels, gates.png with a histogram of each layer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from yolo_attn.analysis import report
from yolo_attn.analysis.counterfactual import Change
from yolo_attn.analysis.gate_statistics import BINS_PER_UNIT, HIGHEST_BIN, LOWEST_BIN, without_nan
from yolo_attn.analysis.layer_gates import Gates, LayerGates

CHANNELS = ("channel_mean", "channel_deviation")  # the columns of gates.csv; too long for gates.json


def write(out: Path, conditions: Mapping[str, Any], gates: Gates, changes: Sequence[Change] = ()) -> None:
    """Write gates.json, gates.csv and gates.png into `out`, which is made if it is not there.

    gates.json has null for a number that does not exist, and under `left_out` why nothing is shown of a layer.
    """
    record = {
        **conditions,
        "images": gates.images,
        "lowest_bin": LOWEST_BIN,
        "bin_width": 1 / BINS_PER_UNIT,
        "layers": [_numbers(layer) for layer in gates.layers],
        "left_out": gates.left_out,
        "counterfactual": [asdict(change) for change in changes],
    }
    figure = plot(gates, Path(conditions["model"]).name)
    report.write(out, "gates", without_nan(record), [*_channels(gates)], figure)


def _numbers(layer: LayerGates) -> dict[str, Any]:
    values = {key: value for key, value in asdict(layer.values).items() if key not in CHANNELS}
    place = {"layer": layer.layer, "kind": layer.kind, "reason": layer.reason, "size": layer.size}
    return {**place, **values, "constant": layer.values.constant, "regions": asdict(layer.regions)}


def _channels(gates: Gates) -> Iterator[dict[str, Any]]:
    for layer in gates.layers:
        height, width = layer.size
        place = {"layer": layer.layer, "kind": layer.kind, "height": height, "width": width}
        columns = (getattr(layer.values, key) for key in CHANNELS)
        for channel, (mean, deviation) in enumerate(zip(*columns, strict=True)):
            yield {**place, "channel": channel, "mean": mean, "deviation": deviation}


def plot(gates: Gates, title: str) -> Figure:
    """Draw a histogram for each layer, with a line at its mean, over the range that all layers need."""
    counts = np.array([layer.values.counts for layer in gates.layers])
    used = np.flatnonzero(counts.sum(0))
    first, last = (used[0], used[-1] + 1) if len(used) else (0, counts.shape[1])
    edges = LOWEST_BIN + np.arange(counts.shape[1] + 1) / BINS_PER_UNIT
    figure = Figure(figsize=(7, 0.9 + 1.5 * len(counts)), layout="constrained")
    rows = figure.subplots(len(counts), sharex=True, squeeze=False)[:, 0]
    for axes, layer, row in zip(rows, gates.layers, counts, strict=True):
        values = layer.values
        outside = values.below + values.above
        axes.stairs(100 * row / (row.sum() + outside), edges, fill=True, color="#0072b2")
        if edges[first] <= values.mean <= edges[last]:
            axes.axvline(values.mean, color="#d55e00", linewidth=1.2)
        caption = f"{layer.layer} {layer.kind}, {layer.size[0]} x {layer.size[1]}: mean {values.mean:.3f}"
        if layer.reason:
            caption += f", change of a layer that {layer.reason}"
        if outside:
            caption += f", {outside:,} outside of {LOWEST_BIN} to {HIGHEST_BIN}"
        axes.set_title(caption, loc="left", fontsize=9)
        axes.set(ylabel="%", xlim=(edges[first] - 0.02, edges[last] + 0.02))
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("gate" if not any(layer.reason for layer in gates.layers) else "gate, or change")
    figure.suptitle(f"{title}: {gates.images:,} images", fontsize=11)
    return figure
