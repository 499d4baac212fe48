"""Accuracy of a trained classifier on rotated images: EMCA's Table 9 for any Ultralytics classifier."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import ultralytics
from matplotlib.figure import Figure

from yolo_attn.storage import atomic_write

ANGLES = (0, 90, 180, 270)
TOP = 5


@dataclass(frozen=True)
class RotationAccuracy:
    """Accuracy at one angle, in degrees clockwise.

    Attributes:
        top1: Percent of the images whose class has the highest score.
        top5: Percent of the images whose class is among the five highest scores; None with five classes or fewer.
    """

    angle: int
    images: int
    top1: float
    top5: float | None


def rotated(images: torch.Tensor, angle: int) -> torch.Tensor:
    """Rotate images (..., H, W) clockwise by a multiple of 90 degrees: the top left pixel of a square goes to the top right at 90."""
    return torch.rot90(images, -angle // 90, (-2, -1))  # torch counts counter-clockwise


def accuracies(
    classifier: Callable[[torch.Tensor], torch.Tensor], batches: Iterable[Mapping[str, torch.Tensor]]
) -> tuple[RotationAccuracy, ...]:
    """Images and classes -> the accuracy at each of ANGLES.

    The square that the network sees is rotated, after scaling and cropping: by multiples of 90 degrees, no pixel is
    lost, made up or interpolated.

    Args:
        classifier: images (B, 3, S, S) -> scores (B, classes).
        batches: "img" (B, 3, S, S) and "cls" (B,) of each batch.
    """
    top1_hits, top5_hits = dict.fromkeys(ANGLES, 0), dict.fromkeys(ANGLES, 0)
    images = classes = 0
    for batch in batches:
        images += len(batch["cls"])
        for angle in ANGLES:
            scores = classifier(rotated(batch["img"], angle))
            classes = scores.shape[1]
            hits = scores.topk(min(TOP, classes)).indices.cpu() == batch["cls"][:, None]
            top1_hits[angle] += int(hits[:, 0].sum())
            top5_hits[angle] += int(hits.sum())
    return tuple(
        RotationAccuracy(
            angle=angle,
            images=images,
            top1=100 * top1_hits[angle] / images,
            top5=100 * top5_hits[angle] / images if classes > TOP else None,
        )
        for angle in ANGLES
    )


def write(out: Path, model: Path, data: Path, imgsz: int, measured: Sequence[RotationAccuracy]) -> None:
    """Write rotation.json, rotation.csv and rotation.png into `out`, which is made if it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(accuracy) for accuracy in measured]
    versions = {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    result = {"model": str(model), "data": str(data), "imgsz": imgsz, **versions, "rotations": rows}
    atomic_write(out / "rotation.json", json.dumps(result, indent=1) + "\n")
    text, png = io.StringIO(), io.BytesIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    atomic_write(out / "rotation.csv", text.getvalue())
    plot(measured, model.name).savefig(png, dpi=150)
    atomic_write(out / "rotation.png", png.getvalue())


def plot(measured: Sequence[RotationAccuracy], title: str) -> Figure:
    """Draw a bar for the top-1 accuracy at each angle, and beside it one for top-5 where there is one."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    bars = [("top-1", "#0072b2", [accuracy.top1 for accuracy in measured])]
    if top5 := [accuracy.top5 for accuracy in measured if accuracy.top5 is not None]:
        bars.append(("top-5", "#a6cee3", top5))
    for index, (label, colour, values) in enumerate(bars):
        positions = [position + (index - (len(bars) - 1) / 2) * 0.4 for position in range(len(measured))]
        axes.bar_label(axes.bar(positions, values, 0.38, label=label, color=colour), fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(measured)), [f"{accuracy.angle}°" for accuracy in measured])
    axes.set(xlabel="rotation, clockwise", ylabel="accuracy, %", ylim=(0, 105))
    axes.set_title(f"{title}: {measured[0].images:,} images", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
