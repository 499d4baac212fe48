"""`yolo-attn tile`, a tiled copy of a data set, and the options that `yolo-attn visdrone prepare` shares with it."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from yolo_attn.cli.predict import progress_bar
from yolo_attn.cli.tile_options import Overlap

if TYPE_CHECKING:
    from yolo_attn.yolo_format.tile_files import Tiling
    from yolo_attn.yolo_format.tile_report import TileReport

SIZE_OF_TILES = "pixels of a tile's sides, such as 640, or columns x rows, such as 3x2."
MinVisible = Annotated[
    float | None,
    typer.Option(
        help="Share of a box's area from which it is a label of a tile; less of it is an ignored region. By default 0.3."
    ),
]
KeepEmpty = Annotated[
    float | None, typer.Option(help="Share of the tiles without a label that are kept, 0 to 1. By default 0.1.")
]


def tile(
    data: Annotated[Path, typer.Argument(help="Data YAML of a detection set in YOLO format.")],
    tiles: Annotated[str, typer.Option(help=SIZE_OF_TILES.capitalize())] = "640",
    overlap: Overlap = None,
    min_visible: MinVisible = None,
    keep_empty: KeepEmpty = None,
    splits: Annotated[str, typer.Option(help="Some of train, val and test, separated by commas.")] = "train,val",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the tiles; by default beside that of the data set, as NAME-tiles-640."),
    ] = None,
) -> None:
    """Write a tiled copy of a data set, and a data YAML that trains on it. Repeat it after an interruption.

    Example: yolo-attn tile data.yaml --tiles 640 --splits train,val
    """
    from ultralytics.data.utils import check_det_dataset

    from yolo_attn.plugin.files import find_data
    from yolo_attn.yolo_format.tile_set import tile_set

    tiling = tiling_of(tiles, overlap, min_visible, keep_empty)
    with redirect_stdout(sys.stderr):
        try:
            found = check_det_dataset(str(find_data(data)))
        except (SyntaxError, TypeError) as error:  # a key is missing, or has a value of another kind
            raise ValueError(str(error)) from error
    folder = Path(found["path"])
    chosen = [name.strip() for name in splits.split(",")]
    print_tiles(*tile_set(found, out or folder.with_name(f"{folder.name}-{tiling.name}"), tiling, chosen, progress_bar))


def tiling_of(tiles: str, overlap: float | None, min_visible: float | None, keep_empty: float | None) -> "Tiling":
    """The options as settings; errors as of `TileGrid` and `Tiling`."""
    from yolo_attn.tiling import OVERLAP, TileGrid
    from yolo_attn.yolo_format.tile_files import Tiling

    shares = {"min_visible": min_visible, "empty": keep_empty}
    given = {name: share for name, share in shares.items() if share is not None}
    return Tiling(TileGrid.parse(tiles, OVERLAP if overlap is None else overlap), **given)


def print_tiles(data: Path, reports: "Mapping[str, TileReport]") -> None:
    """Print the report of each split, and the data YAML."""
    table = Table("", *reports, title="Tiles", title_justify="left")
    for name in next(iter(reports.values())).rows:
        table.add_row(name, *(f"{report.rows[name]:,}" for report in reports.values()))
    for column in table.columns[1:]:
        column.justify = "right"
    Console().print(table)
    typer.echo(f"train with data={data}")
