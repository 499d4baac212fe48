"""`yolo-attn visdrone compare`: whole pictures of several sizes against tiles."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from yolo_attn.cli.numbers import whole_numbers
from yolo_attn.cli.predict import Batch, Device, Model, progress_bar
from yolo_attn.cli.tables import percent, print_tables
from yolo_attn.cli.tile_options import Adaptive, Overlap, Whole, tile_settings

SHOWN = ("AP", "AP50", "AP75", "AR500")  # JSON holds the rest


def compare(
    model: Model,
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    annotations: Annotated[Path, typer.Option(help="Folder of the official annotation files.")],
    out: Annotated[Path, typer.Option(help="Folder for the detection files of every way.")],
    sizes: Annotated[
        str, typer.Option(help="Sizes of whole pictures, in pixels of the longer side, separated by commas.")
    ] = "640,960,1280,1920",
    tiles: Annotated[
        str, typer.Option(help="Tilings, separated by commas: pixels of a side, or columns x rows, such as 3x2.")
    ] = "640",
    overlap: Overlap = None,
    whole: Whole = None,
    adaptive: Adaptive = None,
    json: Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")] = None,
    batch: Batch = None,
    device: Device = None,
) -> None:
    """Compare whole pictures of several sizes with tiles: official AP, megapixels and seconds for a picture.

    The best at each budget of pixels or seconds are marked. Run it again after an interruption.

    Example: yolo-attn visdrone compare --model best.pt --images images --annotations annotations --out compared
    """
    from yolo_attn.detection import compare as comparison
    from yolo_attn.storage import atomic_write

    ways = [
        comparison.Way(size)
        for size in (whole_numbers("--sizes", text, ",", 1)[0] for text in sizes.split(",") if text)
    ]
    tilings = [tile_settings(text, overlap, whole) for text in tiles.split(",") if text]
    if adaptive is not None:  # beside the full grids
        tilings += [tile_settings(text, overlap, whole, adaptive=adaptive) for text in tiles.split(",") if text]
    ways += [comparison.Way(tiles=tiling) for tiling in tilings]
    rows = comparison.compare(model, images, annotations, out, ways, batch, device, progress_bar)
    if json:
        atomic_write(json, comparison.to_json(rows))
    title = "Official AP and AR in percent; costs of a picture; AP by size of the objects in pixels (not official)"
    table = Table("way", *SHOWN, "megapixels", "seconds", *rows[0].ap_by_size, title=title)
    for row in rows:
        marks = [
            f"{value:.2f}{' *' if best else ''}"
            for value, best in ((row.megapixels, row.best_for_pixels), (row.seconds, row.best_for_seconds))
        ]
        by_size = map(percent, row.ap_by_size.values())
        table.add_row(row.way, *(percent(row.official[name]) for name in SHOWN), *marks, *by_size)
    table.columns[0].no_wrap = True
    print_tables(table)
    typer.echo("* no way with as many megapixels, or as many seconds, or fewer, has a higher AP")
