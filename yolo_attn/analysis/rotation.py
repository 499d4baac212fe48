"""How well a trained classifier recognises rotated images: EMCA's Table 9 for any Ultralytics classifier."""

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
    """Accuracy at one angle.

    Attributes:
        angle: Degrees by which the images were rotated, clockwise.
        images: Number of images.
        top1: Percent of the images whose class has the highest score.
        top5: Percent of the images whose class is among the five highest scores; None with five classes or fewer.
    """

    angle: int
    images: int
    top1: float
    top5: float | None


@dataclass(frozen=True)
class RotationResult:
    """Accuracy of one classifier at each of ANGLES, and what was measured.

    Attributes:
        model, data: Paths of the checkpoint and of the images.
        imgsz: Side of an image in pixels.
        torch, ultralytics: Versions.
        rotations: The accuracies.
    """

    model: str
    data: str
    imgsz: int
    torch: str
    ultralytics: str
    rotations: tuple[RotationAccuracy, ...]

    def to_json(self) -> str:
        """The result as indented JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


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
    """Write rotation.json, rotation.csv and rotation.png.

    Args:
        out: Folder for the files; made if it is not there.
        model, data, imgsz: What was measured.
        measured: The accuracies.
    """
    out.mkdir(parents=True, exist_ok=True)
    result = RotationResult(
        model=str(model),
        data=str(data),
        imgsz=imgsz,
        torch=torch.__version__,
        ultralytics=ultralytics.__version__,
        rotations=tuple(measured),
    )
    atomic_write(out / "rotation.json", result.to_json())
    text, png = io.StringIO(), io.BytesIO()
    rows = [asdict(accuracy) for accuracy in measured]
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
    kinds = {"top1": ("top-1", "#0072b2"), "top5": ("top-5", "#a6cee3")}
    shown = [kind for kind in kinds if getattr(measured[0], kind) is not None]
    for index, kind in enumerate(shown):
        label, colour = kinds[kind]
        positions = [position + (index - (len(shown) - 1) / 2) * 0.4 for position in range(len(measured))]
        values = [getattr(accuracy, kind) for accuracy in measured]
        axes.bar_label(axes.bar(positions, values, 0.38, label=label, color=colour), fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(measured)), [f"{accuracy.angle}°" for accuracy in measured])
    axes.set(xlabel="rotation, clockwise", ylabel="accuracy, %", ylim=(0, 105))
    axes.set_title(f"{title}: {measured[0].images:,} images", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
