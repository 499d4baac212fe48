"""`yolo-attn visdrone`, from the official folders to the official numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from yolo_attn.cli.compare import compare
from yolo_attn.cli.predict import progress_bar, visdrone_predict
from yolo_attn.cli.tables import print_tables
from yolo_attn.cli.tile import SIZE_OF_TILES, KeepEmpty, MinVisible, print_tiles, tiling_of
from yolo_attn.cli.tile_options import Overlap
from yolo_attn.cli.visdrone_evaluate import evaluate

if TYPE_CHECKING:
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


app.command()(evaluate)


app.command()(compare)


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
    print_tables(table)
    for note in report.notes:
        typer.echo(note)
