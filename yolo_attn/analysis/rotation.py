"""Accuracy of a trained classifier on rotated images: EMCA's Table 9 for any Ultralytics classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from yolo_attn.analysis import report

ANGLES = (0, 90, 180, 270)
TOP = 5


@dataclass(frozen=True)
class RotationAccuracy:
    """Accuracy at one angle."""

    angle: int  # degrees clockwise
    images: int
    top1: float  # percent of the images whose class has the highest score
    top5: float | None  # percent of those whose class is among the five highest scores; None with five classes or fewer


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
    hits = torch.zeros(len(ANGLES), 2, dtype=torch.int64)  # among the highest, and among the five highest scores
    images = classes = 0
    for batch in batches:
        images += len(batch["cls"])
        for index, angle in enumerate(ANGLES):
            scores = classifier(rotated(batch["img"], angle))
            classes = scores.shape[1]
            right = scores.topk(min(TOP, classes)).indices.cpu() == batch["cls"][:, None]
            hits[index] += torch.stack([right[:, 0].sum(), right.sum()])
    return tuple(
        RotationAccuracy(angle, images, 100 * top1 / images, 100 * top5 / images if classes > TOP else None)
        for angle, (top1, top5) in zip(ANGLES, hits.tolist(), strict=True)
    )


def write(out: Path, conditions: Mapping[str, Any], measured: Sequence[RotationAccuracy]) -> None:
    """Write rotation.json, rotation.csv and rotation.png into `out`, which is made if it is not there."""
    rows = [asdict(accuracy) for accuracy in measured]
    figure = plot(measured, Path(conditions["model"]).name)
    report.write(out, "rotation", {**conditions, "rotations": rows}, rows, figure)


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
