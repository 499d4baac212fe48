"""Heat maps of the gates as one HTML page to click through, which needs no network."""

from __future__ import annotations

import base64
import html
import json
import re

import cv2
import matplotlib
import numpy as np

from yolo_attn.analysis.gate_maps import BOX, COLOURS, scale
from yolo_attn.analysis.layer_gates import Gates


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
            "image": _encoded(picture.image, ".jpg"),
            "size": picture.image.shape[1::-1],
            "boxes": [corners.round(1).tolist() for corners in (picture.objects.corners() if picture.objects else ())],
        }
        for picture in gates.pictures
    ]
    colours = _coloured(np.linspace(0, 1, 256)[None], 0, 1)
    data = json.dumps({"layers": layers, "pictures": pictures, "colours": colours}).replace("<", "\\u003c")
    content = {"TITLE": html.escape(title), "BOX": BOX, "DATA": data}
    return re.sub("|".join(content), lambda place: content[place[0]], _PAGE)


def _coloured(values: np.ndarray, low: float, high: float) -> str:
    colours = matplotlib.colormaps[COLOURS]((values - low) / (high - low))[..., :3]
    return _encoded((255 * colours).round().astype(np.uint8), ".png")


def _encoded(image: np.ndarray, suffix: str) -> str:
    kind = {".png": "png", ".jpg": "jpeg"}[suffix]
    data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>TITLE</title>
<style>
body { font: 14px sans-serif; margin: 1em; }
h1 { font-size: 1.3em; overflow-wrap: anywhere; }
nav button { margin: 2px; padding: 6px 10px; }
nav button[aria-pressed=true] { background: #00224e; color: white; }
main { display: flex; flex-wrap: wrap; gap: 8px; }
figure { flex: 1 1 20em; max-width: 60em; position: relative; margin: 0; }
figure img { width: 100%; display: block; }
#map { image-rendering: pixelated; }
figure svg { position: absolute; inset: 0; width: 100%; height: 100%; }
polygon { fill: none; stroke: BOX; vector-effect: non-scaling-stroke; }
#scale img { width: min(20em, 45vw); height: 1em; vertical-align: middle; }
</style>
<h1>TITLE: mean over channels</h1>
<nav id="layers"></nav><nav id="pictures"></nav>
<p><small>Arrow keys: up and down for the layer, left and right for the picture.</small></p>
<p id="note"></p>
<p id="scale"><span id="low"></span> <img id="colours" alt="colours from the low to the high end"> <span id="high"></span>
<label><input type="checkbox" id="boxes" checked> boxes</label></p>
<main><figure><img id="image" alt="picture"><svg></svg></figure><figure><img id="map" alt="heat map"><svg></svg></figure></main>
<script>
const data = DATA;
const at = { layers: 0, pictures: 0 };
const by = id => document.getElementById(id);
function show() {
  const layer = data.layers[at.layers], picture = data.pictures[at.pictures], [width, height] = picture.size;
  by("note").textContent = layer.name + ": " + layer.note;
  by("low").textContent = layer.low.toFixed(2);
  by("high").textContent = layer.high.toFixed(2);
  by("image").src = picture.image;
  by("map").src = layer.maps[at.pictures];
  by("map").style.aspectRatio = width + " / " + height;
  for (const svg of document.querySelectorAll("svg")) {
    svg.setAttribute("viewBox", "0 0 " + width + " " + height);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.innerHTML = by("boxes").checked ? picture.boxes.map(box => '<polygon points="' + box.join(" ") + '"/>').join("") : "";
  }
  for (const list of ["layers", "pictures"])
    [...by(list).children].forEach((button, place) => button.setAttribute("aria-pressed", place === at[list]));
}
for (const list of ["layers", "pictures"])
  data[list].forEach((entry, place) => {
    const button = document.createElement("button");
    button.textContent = entry.name;
    button.onclick = () => { at[list] = place; show(); };
    by(list).append(button);
  });
const steps = { ArrowUp: ["layers", -1], ArrowDown: ["layers", 1], ArrowLeft: ["pictures", -1], ArrowRight: ["pictures", 1] };
document.onkeydown = event => {
  if (!steps[event.key]) return;
  event.preventDefault();
  const [list, step] = steps[event.key], number = data[list].length;
  at[list] = (at[list] + step + number) % number;
  show();
};
by("colours").src = data.colours;
by("boxes").onchange = show;
show();
</script></html>
"""
