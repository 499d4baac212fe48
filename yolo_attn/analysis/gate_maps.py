"""Heat maps of the gates: a sheet of layers x images. `gate_page` writes the same as a page to click through.

What is drawn is the mean over channels at each pixel. The scale of a layer always holds 0 and 1 and is the same for all images, so
that a gate that hardly differs over pixels looks flat.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from yolo_attn.analysis.layer_gates import Gates, LayerGates
from yolo_attn.analysis.objects import Objects

COLOURS = "cividis"  # read alike with and without colour blindness
BOX = "#d55e00"


def scale(gates: Gates, layer: LayerGates) -> tuple[float, float]:
    """The values at the two ends of a layer's colours: 0 and 1, for a change -1 and 1, or what lies outside of them."""
    maps = [picture.maps[layer.layer] for picture in gates.pictures]
    lowest, highest = min(float(values.min()) for values in maps), max(float(values.max()) for values in maps)
    if layer.reason:
        reach = max(1.0, -lowest, highest)
        return -reach, reach
    return min(0.0, lowest), max(1.0, highest)


def sheet(gates: Gates, title: str) -> Figure:
    """Draw the pictures with their boxes in the first row, and in a row for each layer its maps, with its scale on the right."""
    columns, rows = len(gates.pictures), 1 + len(gates.layers)
    figure = Figure(figsize=(0.8 + 2.6 * columns, 0.6 + 2.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for axes, picture in zip(grid[0], gates.pictures, strict=True):
        axes.imshow(picture.image)
        axes.set_title(picture.name, fontsize=8)
        _outline(axes, picture.objects)
    for row, layer in zip(grid[1:], gates.layers, strict=True):
        ends = scale(gates, layer)
        for axes, picture in zip(row, gates.pictures, strict=True):
            height, width = picture.image.shape[:2]
            drawn = axes.imshow(
                picture.maps[layer.layer], COLOURS, vmin=ends[0], vmax=ends[1], extent=(0, width, height, 0)
            )
            _outline(axes, picture.objects)
        row[0].set_ylabel(f"{layer.layer} {layer.kind}\n{'change' if layer.reason else 'gate'}", fontsize=8)
        figure.colorbar(drawn, ax=list(row), fraction=0.05, pad=0.01).ax.tick_params(labelsize=7)
    figure.suptitle(f"{title}: mean over channels", fontsize=11)
    return figure


def _outline(axes: Any, objects: Objects | None) -> None:
    for corners in objects.corners() if objects else ():
        axes.plot(*np.vstack([corners, corners[:1]]).T, color=BOX, linewidth=0.6)


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    data = io.BytesIO()
    figure.savefig(data, dpi=150)
    return data.getvalue()
