"""How well a trained classifier knows turned pictures: EMCA's Table 9 for any Ultralytics classifier."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import ultralytics
from matplotlib.figure import Figure

from yolo_attn.storage import atomic_write

ANGLES = (0, 90, 180, 270)
TOP = 5


@dataclass(frozen=True)
class Accuracy:
    """Of one rotation, in percent.

    Attributes:
        angle: Degrees, counter-clockwise.
        images: How many were classified.
        top1: Share whose class has the highest score.
        top5: Share whose class is among the five highest; None with five classes or fewer.
    """

    angle: int
    images: int
    top1: float
    top5: float | None


def accuracies(
    classifier: Callable[[torch.Tensor], torch.Tensor], batches: Iterable[dict[str, torch.Tensor]]
) -> list[Accuracy]:
    """Images and classes -> the accuracy at each of ANGLES.

    The square that the network sees is turned, after scaling and cropping: by multiples of 90 degrees, no pixel is
    lost, made up or interpolated.

    Args:
        classifier: images (B, 3, S, S) -> scores (B, classes).
        batches: Of "img" (B, 3, S, S) and "cls" (B,).
    """
    hits = dict.fromkeys(ANGLES, 0)
    near = dict.fromkeys(ANGLES, 0)
    images = classes = 0
    for batch in batches:
        images += len(batch["cls"])
        for angle in ANGLES:
            scores = classifier(torch.rot90(batch["img"], angle // 90, (2, 3)))
            classes = scores.shape[1]
            right = scores.topk(min(TOP, classes)).indices.cpu() == batch["cls"][:, None]
            hits[angle] += int(right[:, 0].sum())
            near[angle] += int(right.sum())
    return [
        Accuracy(angle, images, 100 * hits[angle] / images, 100 * near[angle] / images if classes > TOP else None)
        for angle in ANGLES
    ]


def write(out: Path, model: Path, data: Path, imgsz: int, found: list[Accuracy]) -> None:
    """Put rotation.json, rotation.csv and rotation.png into a folder.

    Args:
        out: The folder; made if it is not there.
        model, data, imgsz: What was measured, for the record.
        found: The accuracies.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in found]
    versions = {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    record = {"model": str(model), "data": str(data), "imgsz": imgsz, **versions, "rotations": rows}
    atomic_write(out / "rotation.json", (json.dumps(record, indent=1) + "\n").encode())
    text, picture = io.StringIO(), io.BytesIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    atomic_write(out / "rotation.csv", text.getvalue().encode())
    plot(found, model.name).savefig(picture, dpi=150)
    atomic_write(out / "rotation.png", picture.getvalue())


def plot(found: list[Accuracy], title: str) -> Figure:
    """A bar for the top-1 accuracy at each angle, and beside it one for top-5 where there is one."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    kinds = {"top1": ("top-1", "#0072b2"), "top5": ("top-5", "#a6cee3")}
    shown = [kind for kind in kinds if getattr(found[0], kind) is not None]
    for index, kind in enumerate(shown):
        label, colour = kinds[kind]
        places = [place + (index - (len(shown) - 1) / 2) * 0.4 for place in range(len(found))]
        bars = axes.bar(places, [getattr(one, kind) for one in found], 0.38, label=label, color=colour)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(found)), [f"{one.angle}°" for one in found])
    axes.set(xlabel="rotation, counter-clockwise", ylabel="accuracy, %", ylim=(0, 105))
    axes.set_title(f"{title}: {found[0].images:,} images", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
