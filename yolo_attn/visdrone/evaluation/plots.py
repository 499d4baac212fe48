"""precision-recall.png and confusion.png of an evaluation with details. Needs matplotlib."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.curves import RECALLS
from yolo_attn.visdrone.evaluation.errors import Errors
from yolo_attn.visdrone.evaluation.result import Evaluation

# Five colours that people with a colour vision deficiency can tell apart (Okabe and Ito), each solid and dashed.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#4d4d4d")


def write(folder: Path, result: Evaluation) -> list[str]:
    """Draw into `folder`, which is made if it is not there; return the names of the files.

    Raises:
        ValueError: The evaluation was made without details.
        OSError: A file cannot be written.
    """
    if result.curves is None or result.errors is None:
        raise ValueError("plots: the evaluation has no details; make it with `details=True`")
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "precision-recall.png": precision_recall(result.curves, result.ap[:, 0]),
        "confusion.png": confusion(result.errors),
    }
    for name, figure in figures.items():
        png = io.BytesIO()
        figure.savefig(png, dpi=150)
        atomic_write(folder / name, png.getvalue())
    return [*figures]


def precision_recall(curves: np.ndarray, ap50: Sequence[float] | np.ndarray) -> Figure:
    """Precision (10, 101) over recall at IoU 0.5, a line for each class with ground truth."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for index, (name, curve, ap) in enumerate(zip(NAMES, curves, ap50, strict=True)):
        if not np.isnan(curve).any():
            style = "-" if index < len(COLOURS) else "--"
            axes.plot(RECALLS, curve, style, color=COLOURS[index % len(COLOURS)], label=f"{name}, AP50 {ap:.1f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("Precision over recall at IoU 0.5, official matching", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def confusion(errors: Errors) -> Figure:
    """Counts from the class of the box to the class of the detection, coloured by the share of the row."""
    names, counts = [*NAMES, "background"], errors.confusion
    share = counts / np.maximum(1, counts.sum(1, keepdims=True))
    figure = Figure(figsize=(8.5, 7.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        colour = "white" if share[row, column] > 0.6 else "black"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(names)), [*names[:-1], "missed"], rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="detection", ylabel="ground truth")
    axes.set_title(
        f"Boxes and detections at IoU 0.5, scores from {errors.confidence:g}; colour: share of the row", fontsize=11
    )
    return figure
