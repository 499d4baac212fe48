"""`yolo-attn visdrone`, from the official folders to the official numbers, and `yolo-attn demo`."""

import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from yolo_attn.cli.predict import visdrone_predict

if TYPE_CHECKING:
    from yolo_attn.visdrone.evaluation.evaluate import Evaluation
    from yolo_attn.visdrone.report import Report

app = typer.Typer(no_args_is_help=True, help="VisDrone-DET: labels, detection files, and the official evaluation.")


@app.command()
def prepare(
    root: Annotated[Path, typer.Option(help="Folder of the official folders VisDrone2019-DET-*, or of their zips.")],
    splits: Annotated[
        list[str] | None, typer.Option(help="train, val, test-dev, one or more. By default all that are there.")
    ] = None,
    more_splits: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,  # `--splits train val` in one go
) -> None:
    """Add YOLO labels and lists of images to the official folders. Run it again after an interruption or a change."""
    from yolo_attn.visdrone import prepare as room
    from yolo_attn.visdrone.splits import FOLDERS, present

    if more_splits and not splits:
        raise ValueError(f"visdrone prepare: what is {' '.join(more_splits)}? Splits go behind --splits")
    chosen = [*(splits or ()), *(more_splits or ())] or present(root) or list(FOLDERS)
    bar = partial(track, console=Console(stderr=True))
    _print_report(room.prepare(root, chosen, bar))


app.command("predict")(visdrone_predict)


@app.command()
def evaluate(
    annotations: Annotated[Path, typer.Option(help="Folder of the official annotation files.")],
    detections: Annotated[Path, typer.Option(help="Folder of detection files of the same names.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the images, for their sizes.")] = None,
    sizes: Annotated[Path | None, typer.Option(help="Or a CSV file with the columns image,width,height.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")] = None,
    coco: Annotated[bool, typer.Option("--coco", help="Add COCO's protocol, in its own column.")] = False,
) -> None:
    """Print the numbers of the official toolkit."""
    from yolo_attn.visdrone.evaluation import evaluate as room
    from yolo_attn.visdrone.sizes import read_sizes

    if (images is None) == (sizes is None):
        raise ValueError("visdrone evaluate: give the image sizes either as --images FOLDER or as --sizes CSV")
    result = room.evaluate(annotations, detections, read_sizes(images or sizes), coco=coco)
    if json:
        json.write_text(result.to_json() + "\n", encoding="utf-8")
    _print_evaluation(result)


def demo(root: Annotated[Path | None, typer.Option(help="Where to draw it instead.")] = None) -> None:
    """Draw the aerial demo set, unless it is there, and print its folder. By default it is that of data=aerial-demo.yaml."""
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.utils import LOGGER, TQDM

    from yolo_attn.demo import draw

    for handler in LOGGER.handlers:
        handler.setStream(sys.stderr)  # the folder alone goes to standard output, for use in $(...)
    with redirect_stdout(sys.stderr):
        folder = check_det_dataset("aerial-demo.yaml")["path"] if root is None else draw(root, progress=TQDM)
    typer.echo(folder)


def _print_report(report: "Report") -> None:
    table = Table("", *report.splits, title="VisDrone-DET")
    parts = list(report.splits.values())
    table.add_row("images", *(f"{part.images:,}" for part in parts))
    for name in parts[0].boxes:
        table.add_row(name, *(f"{part.boxes[name]:,}" for part in parts))
    table.add_row("all boxes", *(f"{sum(part.boxes.values()):,}" for part in parts))
    table.add_row("label files written", *(f"{part.written:,}" for part in parts))
    if any(part.extracted for part in parts):
        table.add_row("files out of the zip", *(f"{part.extracted:,}" for part in parts))
    for column in table.columns[1:]:
        column.justify = "right"
    _print(table)
    for part in parts:
        lonely = {"images without annotation": part.without_annotation, "annotations without image": part.without_image}
        rows = {f"rows left out, {reason}": found for reason, found in part.left_out.items()}
        for kind, found in (rows | lonely).items():
            if found:
                typer.echo(f"{found.first}: the first of {found.count:,} {kind}")


def _print_evaluation(result: "Evaluation") -> None:
    coco = result.coco
    protocols = Table("in percent", "official", "plain class mean", *(["COCO protocol"] if coco else []))
    for name, value in result.official.items():
        of_coco = getattr(coco, name, None)
        cell = [_percent(of_coco) if of_coco is not None else ""] if coco else []
        protocols.add_row(name, _percent(value), _percent(result.plain_class_mean[name]), *cell)
    classes = Table("class", "images", "AP", "AP50", "AP75", title="Official, by class")
    for row in result.per_class:
        classes.add_row(row["name"], f"{row['images']:,}", *(_percent(row[key]) for key in ("AP", "AP50", "AP75")))
    counts = Table("count", "", title="Read and dropped")
    for name, number in result.counts.items():
        counts.add_row(name.replace("_", " "), f"{number:,}")
    for table in (protocols, classes, counts):
        for column in table.columns[1:]:
            column.justify = "right"
    _print(protocols, classes, counts)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _percent(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def _print(*tables: Table) -> None:
    console = Console()
    for table in tables:
        table.title_justify = "left"
        console.print(table)
