"""`yolo-attn gates` and `yolo-attn rotation`: the behaviour of a trained classifier."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from yolo_attn.analysis.trained_classifier import TrainedClassifier

Model = Annotated[Path, typer.Option(help="Checkpoint of a classifier, such as best.pt of `yolo classify train`.")]
Data = Annotated[Path, typer.Option(help="Folder with one folder of images per class, or a data set with val or test.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the results. By default it lies beside the checkpoint.")]
Imgsz = Annotated[int | None, typer.Option(min=1, help="Side of an image in pixels. By default that of the training.")]
Batch = Annotated[int, typer.Option(min=1, help="Images in a batch.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read images; 0 reads in the main process.")]
Device = Annotated[str | None, typer.Option(help="cpu, 0, ... By default the first GPU, or the CPU without one.")]


def gates(
    model: Model,
    data: Data,
    out: Out = None,
    imgsz: Imgsz = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
) -> None:
    """Measure how strongly each attention layer of a classifier scales its channels, stage by stage.

    Example: yolo-attn gates --model runs/classify/train/weights/best.pt --data images
    """
    from yolo_attn.analysis import channel_gates, gate_report

    classifier, batches, conditions = _opened("gates", model, data, imgsz, batch, workers, device)
    measured = channel_gates.measure(classifier, batches)
    out = out or model.with_name(f"{model.stem}-gates")
    gate_report.write(out, conditions, measured)
    rows = []
    for stage in measured.stages:
        place = ["{} x {}".format(*stage.size), f"{len(stage.layers):,}", f"{stage.channels:,}"]
        numbers = [f"{value:.3f}" for value in (stage.mean, stage.deviation, stage.lowest, stage.highest)]
        rows.append([*place, *numbers, f"{stage.without_gate:,}"])
    headings = ["feature map", "layers", "channels", "mean", "deviation", "lowest", "highest", "without gate"]
    _print(f"{model}: channel gates, {measured.images:,} images", headings, rows)
    for path, reason in measured.left_out.items():
        typer.echo(f"{path}: left out, it {reason}")
    typer.echo(f"{out}: gates.json, gates.csv, gates.png")


def rotation(
    model: Model,
    data: Data,
    out: Out = None,
    imgsz: Imgsz = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
) -> None:
    """Measure the accuracy of a classifier on images rotated clockwise by 0, 90, 180 and 270 degrees.

    Example: yolo-attn rotation --model runs/classify/train/weights/best.pt --data images
    """
    from yolo_attn.analysis import rotation as analysis

    classifier, batches, conditions = _opened("rotation", model, data, imgsz, batch, workers, device)
    measured = analysis.accuracies(classifier, batches)
    out = out or model.with_name(f"{model.stem}-rotation")
    analysis.write(out, conditions, measured)
    upright = measured[0]
    rows = []
    for accuracy in measured:
        top5 = "-" if accuracy.top5 is None else f"{accuracy.top5:.2f}"
        rows.append([f"{accuracy.angle}°", f"{accuracy.top1:.2f}", f"{accuracy.top1 - upright.top1:+.2f}", top5])
    _print(f"{model}: {upright.images:,} images", ["clockwise", "top-1 %", "less upright", "top-5 %"], rows)
    typer.echo(f"{out}: rotation.json, rotation.csv, rotation.png")


def _opened(
    title: str, model: Path, data: Path, imgsz: int | None, batch: int, workers: int, device: str | None
) -> tuple["TrainedClassifier", Iterable[Any], dict[str, Any]]:
    """Open a classifier and its images, in batches behind a progress bar; say what is measured, for the record."""
    from ultralytics.utils import TQDM

    from yolo_attn.analysis.trained_classifier import TrainedClassifier, loader

    classifier = TrainedClassifier.load(model, imgsz, device)
    conditions = {"model": str(model), "data": str(data), "imgsz": classifier.imgsz}
    return classifier, TQDM(loader(classifier, data, batch, workers), desc=title), conditions


def _print(title: str, headings: list[str], rows: list[list[str]]) -> None:
    first, *others = headings
    numbers = [Column(heading, justify="right") for heading in others]
    table = Table(first, *numbers, title=Text(title), title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
