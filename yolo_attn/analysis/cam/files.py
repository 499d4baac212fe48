"""The files of `yolo-attn cam`: cam.json and cam.csv with the numbers, cam.png with the maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from yolo_attn.analysis import report
from yolo_attn.analysis.cam.activation_map import ActivationMap
from yolo_attn.analysis.gate_maps import BOX, COLOURS
from yolo_attn.analysis.gate_statistics import without_nan

DRAWN = 300  # most boxes that are outlined


def write(out: Path, conditions: Mapping[str, Any], maps: Sequence[ActivationMap]) -> None:
    """Write cam.json, cam.csv and cam.png into `out`, which is made if it is not there. cam.json has null for what does not exist."""
    rows = [numbers(one) for one in maps]
    curves = [
        {"boxes": one.boxes.round(1).tolist(), "deletion": vars(one.deletion) if one.deletion else None} for one in maps
    ]
    entries = [{**row, **curve} for row, curve in zip(rows, curves, strict=True)]
    record = without_nan({**conditions, "maps": entries})
    report.write(out, "cam", record, [without_nan(row) for row in rows], sheet(maps, Path(conditions["model"]).name))


def numbers(one: ActivationMap) -> dict[str, Any]:
    """What is known of a map, in one row."""
    height, width = one.values.shape
    return {
        "picture": one.picture,
        "layer": one.layer,
        "kind": one.kind,
        "method": one.method,
        "height": height,
        "width": width,
        "class": one.class_name,
        "predictions": max(len(one.boxes), 1),
        "score": one.score,
        "iou": one.iou,
        "highest": float(one.values.max()),
        "deletion_area": one.deletion.area if one.deletion else float("nan"),
        "random_area": one.deletion.random_area if one.deletion else float("nan"),
        "shuffled_weights": one.shuffled,
    }


def sheet(maps: Sequence[ActivationMap], title: str) -> Figure:
    """Draw a row for each picture: with the boxes that are explained, its map with its scale, and the deletion test.

    A scale runs from 0 to the highest value of its map, which the bar beside it states: a flat map looks flat.
    """
    figure = Figure(figsize=(11, 0.5 + 2.9 * len(maps)), layout="constrained")
    grid = figure.subplots(len(maps), 3, squeeze=False)
    for (picture, heat, curve), one in zip(grid, maps, strict=True):
        height, width = one.image.shape[:2]
        picture.imshow(one.image)
        picture.set_title(f"{one.picture}: {one.class_name} {one.score:.2f}", fontsize=9)
        drawn = heat.imshow(one.values, COLOURS, vmin=0, vmax=float(one.values.max()) or 1, extent=one.extent)
        figure.colorbar(drawn, ax=heat, fraction=0.05, pad=0.02).ax.tick_params(labelsize=7)
        heat.set_title(f"{one.layer} {one.kind}, {one.method}, {'x'.join(map(str, one.values.shape))}", fontsize=9)
        for axes in (picture, heat):
            axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
            for left, top, right, bottom in one.boxes[:DRAWN]:
                outline = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=BOX, linewidth=0.7)
                axes.add_patch(outline)
        _draw_deletion(curve, one)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_deletion(axes: Any, one: ActivationMap) -> None:
    if one.deletion is None:
        axes.set_axis_off()
        return
    shares = 100 * np.array(one.deletion.shares)
    axes.plot(shares, one.deletion.by_map, color="#0072b2", label=f"by the map, area {one.deletion.area:.2f}")
    axes.plot(
        shares, one.deletion.random, color="#d55e00", linestyle="--", label=f"random, {one.deletion.random_area:.2f}"
    )
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.set_xlabel("removed, %", fontsize=8)
    axes.set_ylabel("score", fontsize=8)
    correlation = "-" if one.shuffled != one.shuffled else f"{one.shuffled:+.2f}"
    axes.set_title(f"rank correlation, shuffled weights: {correlation}", fontsize=9)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
