"""Heat maps of the gates as one HTML page to click through, which needs no network."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from yolo_attn.analysis.gate_maps import BOX, COLOURS, scale
from yolo_attn.analysis.layer_gates import Gates
from yolo_attn.html_page import image_address, render


def page(gates: Gates, title: str) -> str:
    """Write the same as one HTML page that needs no network: choose a layer and a picture by click or arrow keys."""
    layers = []
    for layer in gates.layers:
        low, high = scale(gates, layer)
        constant = ", a constant: the same for every image" if layer.values.constant else ""
        shown = f"change, as the layer {layer.reason}" if layer.reason else "gate"
        note = f"{shown}; mean {layer.values.mean:.3f}, deviation over images {layer.values.over_images:.3f}{constant}"
        maps = [_coloured(picture.maps[layer.layer], low, high) for picture in gates.pictures]
        layers.append({"name": f"{layer.layer} {layer.kind}", "note": note, "low": low, "high": high, "maps": maps})
    pictures = [
        {
            "name": picture.name,
            "image": image_address(picture.image, ".jpg"),
            "size": picture.image.shape[1::-1],
            "boxes": [corners.round(1).tolist() for corners in (picture.objects.corners() if picture.objects else ())],
        }
        for picture in gates.pictures
    ]
    colours = _coloured(np.linspace(0, 1, 256)[None], 0, 1)
    data = {"layers": layers, "pictures": pictures, "colours": colours}
    return render(Path(__file__).with_suffix(".html"), title=title, box=BOX, data=data)


def _coloured(values: np.ndarray, low: float, high: float) -> str:
    colours = matplotlib.colormaps[COLOURS]((values - low) / (high - low))[..., :3]
    return image_address((255 * colours).round().astype(np.uint8), ".png")
