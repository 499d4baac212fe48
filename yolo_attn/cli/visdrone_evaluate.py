"""`yolo-attn visdrone evaluate`: the official numbers, and what they do not say."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from yolo_attn.visdrone.evaluation.result import Evaluation


def evaluate(
    annotations: Annotated[Path, typer.Option(help="Folder of the official annotation files.")],
    detections: Annotated[Path, typer.Option(help="Folder of detection files of the same names.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the images, for their sizes.")] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(help="Instead of --images: a CSV file with the columns image,width,height, in pixels."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")] = None,
    coco: Annotated[bool, typer.Option("--coco", help="Add COCO's protocol, in its own column.")] = False,
    confidence: Annotated[
        float, typer.Option(help="Lowest score, 0 to 1, of the detections counted as hits and false alarms by class.")
    ] = 0.25,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for precision-recall.png, confusion.png and, with --images, the worst pictures."),
    ] = None,
) -> None:
    """Print AP and AR, in percent, by the protocol of the official toolkit; then AP by object size and errors by class.

    The last two are not official. Hits, misses and false alarms are counted at IoU 0.5.

    Example: yolo-attn visdrone evaluate --annotations annotations --detections detections --images images --json ap.json
    """
    from yolo_attn.storage import atomic_write
    from yolo_attn.visdrone.evaluation.evaluate import evaluate as evaluate_folders
    from yolo_attn.visdrone.sizes import read_sizes

    source = images or sizes
    if source is None or (images and sizes):
        raise ValueError("visdrone evaluate: give the image sizes either as --images FOLDER or as --sizes CSV")
    result = evaluate_folders(
        annotations, detections, read_sizes(source), coco=coco, details=True, confidence=confidence
    )
    if json:
        atomic_write(json, result.to_json() + "\n")
    _print_evaluation(result)
    if plots:
        _draw(plots, result, images)


def _print_evaluation(result: "Evaluation") -> None:
    coco = asdict(result.coco) if result.coco else {}
    protocols = Table("in percent", "official", "plain class mean", *(["COCO protocol"] if coco else []))
    for name, value in result.official.items():
        numbers = [value, result.plain_class_mean[name], *([coco[name]] if name in coco else [])]
        protocols.add_row(name, *map(_percent, numbers))
    classes = Table("class", "images", "AP", "AP50", "AP75", title="Official, by class")
    for row in result.per_class:
        classes.add_row(row["name"], f"{row['images']:,}", *(_percent(row[key]) for key in ("AP", "AP50", "AP75")))
    counts = Table("count", "", title="Read and dropped")
    for name, number in result.counts.items():
        counts.add_row(name.replace("_", " "), f"{number:,}")
    print_tables(protocols, classes, *_detail_tables(result), counts)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _detail_tables(result: "Evaluation") -> list[Table]:
    sizes = Table(
        "area, pixels", "boxes", "AP", "AP50", "AP75", "AR500", "recall at IoU 0.5", title="Not official: by size"
    )
    for score in result.by_size or ():
        numbers = (score.AP, score.AP50, score.AP75, score.AR500, score.recall50)
        sizes.add_row(score.name, f"{score.ground_truth:,}", *map(_percent, numbers))
    if result.errors is None:
        return [sizes]
    title = f"Not official: IoU 0.5, scores from {result.errors.confidence:g}"
    errors = Table("class", "boxes", "detections", "hits", "misses", "false alarms", title=title)
    for row in result.errors.per_class:
        errors.add_row(row["name"], *(f"{number:,}" for key, number in row.items() if key != "name"))
    return [sizes, errors]


def _draw(folder: Path, result: "Evaluation", images: Path | None) -> None:
    from yolo_attn.visdrone.evaluation import gallery, plots

    names = plots.write(folder, result)
    if images and result.errors:
        names += gallery.write(folder, result.errors, images)
    typer.echo(f"{folder}: {', '.join(names)}")
    if not images:
        typer.echo("no gallery of the worst pictures: give the pictures by --images instead of --sizes")


def _percent(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def print_tables(*tables: Table) -> None:
    """Print tables one below the other, numbers aligned at the right."""
    console = Console()
    for table in tables:
        table.title_justify = "left"
        for column in table.columns[1:]:
            column.justify = "right"
        console.print(table)
