"""Object sizes and advice as JSON and as a figure."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from yolo_attn.advice.objects import Objects
from yolo_attn.advice.rules import Advice
from yolo_attn.advice.sizes import SMALL, Sizes
from yolo_attn.storage import atomic_write

# Colours that people with a colour vision deficiency can tell apart (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")


def to_json(data: str, split: str, sizes: Sizes, advice: Sequence[Advice]) -> str:
    """Return everything as text; percentiles and limits are keys, lengths are pixels, shares 0 to 1."""
    content = {"data": data, "split": split, **asdict(sizes), "advice": [asdict(entry) for entry in advice]}
    return json.dumps(content, indent=1, allow_nan=False)


def write_plot(folder: Path, title: str, objects: Objects, sizes: Sizes) -> str:
    """Draw sizes.png into `folder`, which is made if it is not there; return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    png = io.BytesIO()
    plot(title, objects, sizes).savefig(png, dpi=150)
    atomic_write(folder / "sizes.png", png.getvalue())
    return "sizes.png"


def plot(title: str, objects: Objects, sizes: Sizes) -> Figure:
    """Histograms of the sides in pixels and relative to the picture, and the share below each side at each training size."""
    size = objects.pictures[objects.picture]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    pixels, relative, shares = figure.subplots(1, 3)
    for axes, values, label in (
        (pixels, objects.sides, "side of an object, pixels of its picture"),
        (relative, objects.sides / np.sqrt(size.prod(1)), "side of an object, relative to its picture"),
    ):
        positive = values[values > 0]  # an object without area has no place on a logarithmic axis
        if len(positive):
            low, high = positive.min(), max(positive.max(), positive.min() * 1.01)
            axes.hist(positive, np.geomspace(low, high, 50), color=COLOURS[0])
            axes.axvline(np.median(values), color=COLOURS[1], label=f"median {np.median(values):.3g}")
            axes.legend(frameon=False)
        axes.set(xscale="log", xlabel=label, ylabel="objects")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    for index, at in enumerate(sizes.at):
        scaled = np.sort(objects.sides / size.max(1) * at.imgsz)
        share = 100 * np.arange(1, len(scaled) + 1) / len(scaled)
        shares.plot(scaled, share, color=COLOURS[index % len(COLOURS)], label=f"imgsz={at.imgsz}")
    for limit in SMALL:
        shares.axvline(limit, color="#999999", linewidth=0.8, linestyle=":")
    shares.set(xscale="log", xlim=(2, 256), ylim=(0, 100), xlabel="side in the training picture, pixels")
    shares.set(ylabel="objects below, %", xticks=[2, 4, *SMALL, 64, 128, 256], xticklabels=[2, 4, *SMALL, 64, 128, 256])
    shares.minorticks_off()
    shares.legend(edgecolor="none", framealpha=1, fontsize=8)
    for axes in (pixels, relative, shares):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: {sizes.objects:,} objects on {sizes.pictures:,} pictures", fontsize=11)
    return figure
