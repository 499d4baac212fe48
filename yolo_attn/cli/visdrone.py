"""`yolo-attn visdrone`, from the official folders to the official numbers, and `yolo-attn demo`."""

import logging
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from yolo_attn.cli.predict import progress_bar, visdrone_predict
from yolo_attn.cli.tile import SIZE_OF_TILES, KeepEmpty, MinVisible, print_tiles, tiling_of
from yolo_attn.cli.tile_options import Overlap

if TYPE_CHECKING:
    from yolo_attn.visdrone.evaluation.result import Evaluation
    from yolo_attn.visdrone.prepare_report import Report

app = typer.Typer(no_args_is_help=True, help="VisDrone-DET: labels, detection files, and the official evaluation.")


@app.command()
def prepare(
    root: Annotated[Path, typer.Option(help="Folder of the official folders VisDrone2019-DET-*, or of their zips.")],
    splits: Annotated[
        list[str] | None,
        typer.Option(help="Some of train, val and test-dev, separated by commas; by default all in the folder."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Also replace files of labels and ignored regions that differ and were not written by prepare.",
        ),
    ] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for another prepare of this folder.")] = 600,
    tiles: Annotated[str | None, typer.Option(help=f"Also write tiled copies of the splits: {SIZE_OF_TILES}")] = None,
    overlap: Overlap = None,
    min_visible: MinVisible = None,
    keep_empty: KeepEmpty = None,
) -> None:
    """Add YOLO labels, ignored regions and lists of images to the official folders. Repeat it after an interruption or a change.

    Example: yolo-attn visdrone prepare --root VisDrone --splits train,val
    """
    from yolo_attn.visdrone.prepare import prepare as prepare_splits
    from yolo_attn.visdrone.splits import FOLDERS, present
    from yolo_attn.visdrone.tile import tile_splits

    if tiles is None and (overlap, min_visible, keep_empty) != (None, None, None):
        raise ValueError(
            "visdrone prepare: --overlap, --min-visible and --keep-empty say how tiles are cut; add --tiles 640"
        )
    tiling = tiling_of(tiles, overlap, min_visible, keep_empty) if tiles is not None else None
    chosen = [name.strip() for names in splits or () for name in names.split(",")] or present(root) or list(FOLDERS)
    _print_report(prepare_splits(root, chosen, progress_bar, overwrite=overwrite, timeout=timeout))
    if tiling:
        print_tiles(*tile_splits(root, [*dict.fromkeys(chosen)], tiling, progress_bar))


app.command("predict")(visdrone_predict)


@app.command()
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
) -> None:
    """Print AP and AR, in percent, by the protocol of the official toolkit.

    Example: yolo-attn visdrone evaluate --annotations annotations --detections detections --images images --json ap.json
    """
    from yolo_attn.storage import atomic_write
    from yolo_attn.visdrone.evaluation.evaluate import evaluate as evaluate_folders
    from yolo_attn.visdrone.sizes import read_sizes

    source = images or sizes
    if source is None or (images and sizes):
        raise ValueError("visdrone evaluate: give the image sizes either as --images FOLDER or as --sizes CSV")
    result = evaluate_folders(annotations, detections, read_sizes(source), coco=coco)
    if json:
        atomic_write(json, result.to_json() + "\n")
    _print_evaluation(result)


def demo(
    root: Annotated[
        Path | None, typer.Option(help="Folder to draw it into; by default that of data=aerial-demo.yaml.")
    ] = None,
    crowds: Annotated[
        bool,
        typer.Option(
            "--crowds",
            help="Draw another set: sharp crowds in ignored regions, with the regions for `ignored: fill` and the truth about the crowds.",
        ),
    ] = False,
) -> None:
    """Draw the aerial demo set, 240 pictures, unless already drawn, and print its folder.

    Example: yolo-attn demo --root VisDrone
    """
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.utils import LOGGER, TQDM

    from yolo_attn.demo import draw

    if crowds and root is None:
        raise ValueError(
            "demo: --crowds draws another set than that of data=aerial-demo.yaml; name its folder with --root"
        )
    for handler in LOGGER.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)  # the folder alone goes to standard output, for use in $(...)
    with redirect_stdout(sys.stderr):
        drawn = draw(root, progress=TQDM, crowds=crowds) if root else check_det_dataset("aerial-demo.yaml")["path"]
    typer.echo(drawn)


def _print_report(report: "Report") -> None:
    table = Table("", *report.splits, title="VisDrone-DET")
    parts = list(report.splits.values())
    table.add_row("images", *(f"{part.images:,}" for part in parts))
    for name in parts[0].boxes:
        table.add_row(name, *(f"{part.boxes[name]:,}" for part in parts))
    table.add_row("all boxes", *(f"{sum(part.boxes.values()):,}" for part in parts))
    table.add_row("ignored regions", *(f"{part.regions:,}" for part in parts))
    table.add_row("label files written", *(f"{part.written:,}" for part in parts))
    table.add_row("files of ignored regions written", *(f"{part.regions_written:,}" for part in parts))
    if any(part.extracted for part in parts):
        table.add_row("files out of the zip", *(f"{part.extracted:,}" for part in parts))
    _print(table)
    for note in report.notes:
        typer.echo(note)


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
    _print(protocols, classes, counts)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _percent(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def _print(*tables: Table) -> None:
    console = Console()
    for table in tables:
        table.title_justify = "left"
        for column in table.columns[1:]:
            column.justify = "right"
        console.print(table)
