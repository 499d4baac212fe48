"""`yolo-attn rotation` and `yolo-attn scales`: what the papers measure on trained classifiers, besides the accuracy."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

Model = Annotated[Path, typer.Option(help="A checkpoint of a classifier, such as best.pt of `yolo classify train`.")]
Data = Annotated[Path, typer.Option(help="A folder with a folder of images per class, or a data set with val or test.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the results; by default one beside the checkpoint.")]
Imgsz = Annotated[int | None, typer.Option(help="Side of an image in pixels; by default that of the training.")]
Batch = Annotated[int, typer.Option(help="Images at once.")]
Workers = Annotated[int, typer.Option(help="Processes that read images.")]
Device = Annotated[str | None, typer.Option(help="cpu, 0, ...; by default the first GPU, if there is one.")]


def rotation(
    model: Model,
    data: Data,
    out: Out = None,
    imgsz: Imgsz = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
) -> None:
    """Print the accuracy of a classifier on images turned by 0, 90, 180 and 270 degrees."""
    from yolo_attn.analysis import rotation as room

    classifier, batches = _opened("rotation", model, data, imgsz, batch, workers, device)
    found = room.accuracies(classifier, batches)
    out = out or model.with_name(f"{model.stem}-rotation")
    room.write(out, model, data, classifier.imgsz, found)
    table = Table("rotation", "top-1 %", "less upright", "top-5 %", title=f"{model}: {found[0].images:,} images")
    for one in found:
        top5 = "-" if one.top5 is None else f"{one.top5:.2f}"
        table.add_row(f"{one.angle}°", f"{one.top1:.2f}", f"{one.top1 - found[0].top1:+.2f}", top5)
    _print(table)
    typer.echo(f"{out}: rotation.json, rotation.csv, rotation.png")


def scales(
    model: Model,
    data: Data,
    out: Out = None,
    imgsz: Imgsz = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
) -> None:
    """Print by what the attention layers of a classifier scale the channels, stage by stage: output / input of each layer."""
    from yolo_attn.analysis import channel_gates as room

    classifier, batches = _opened("scales", model, data, imgsz, batch, workers, device)
    found = room.scales(classifier, batches)
    out = out or model.with_name(f"{model.stem}-scales")
    room.write(out, model, data, classifier.imgsz, found)
    headings = ("layers", "channels", "mean", "deviation", "lowest", "highest", "none")
    table = Table("maps", *headings, title=f"{model}: scales of channels, {found.images:,} images")
    for one in found.stages:
        numbers = (f"{value:.3f}" for value in (one.mean, one.deviation, one.lowest, one.highest))
        whole = (f"{len(one.layers):,}", f"{one.channels:,}")
        table.add_row("{} x {}".format(*one.size), *whole, *numbers, f"{one.without_scale:,}")
    _print(table)
    for path, reason in found.left_out.items():
        typer.echo(f"{path}: left out, it {reason}")
    typer.echo(f"{out}: scales.json, scales.csv, scales.png")


def _opened(task: str, model: Path, data: Path, imgsz: int | None, batch: int, workers: int, device: str | None):
    """The classifier, and its images by the batch behind a progress bar."""
    from ultralytics.utils import TQDM

    from yolo_attn.analysis import classifiers

    classifier = classifiers.Classifier.load(model, imgsz, device)
    return classifier, TQDM(classifiers.loader(classifier, data, batch, workers), desc=task)


def _print(table: Table) -> None:
    table.title_justify = "left"
    for column in table.columns[1:]:
        column.justify = "right"
    Console().print(table)
