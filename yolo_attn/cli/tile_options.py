"""Options of the commands that run detectors on tiles."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from yolo_attn.detection.tiled_detector import TileSettings

Tiles = Annotated[
    str | None,
    typer.Option(
        help="Also run overlapping tiles of each picture: pixels of a side, such as 640, or columns x rows, such as 3x2."
    ),
]
Overlap = Annotated[
    float | None, typer.Option(help="Share of a tile's side that its neighbour repeats, below 1. By default 0.2.")
]
Whole = Annotated[
    bool | None, typer.Option("--whole/--no-whole", help="Beside the tiles, run the whole picture. By default yes.")
]
Merge = Annotated[
    str | None,
    typer.Option(help="nms keeps the best of the boxes that tiles repeat, greedy the box around them. By default nms."),
]
MergeThreshold = Annotated[
    float | None,
    typer.Option(
        help="Overlap from which boxes are merged: IoU for nms, share of the smaller box for greedy. By default 0.5."
    ),
]
KeepCut = Annotated[
    bool | None,
    typer.Option(
        "--keep-cut/--drop-cut",
        help="Boxes at an inner border of a tile that another tile holds whole. By default dropped.",
    ),
]


def tile_settings(
    tiles: str | None,
    overlap: float | None,
    whole: bool | None,
    merge: str | None,
    merge_threshold: float | None,
    keep_cut: bool | None,
) -> "TileSettings | None":
    """Options of the command line -> settings of the tiles, None without --tiles.

    Raises:
        ValueError: An option cannot be, or is given without --tiles.
    """
    from yolo_attn.detection.tiled_detector import TileSettings
    from yolo_attn.tiling import OVERLAP, TileGrid

    options = {"whole": whole, "merge": merge, "merge_threshold": merge_threshold, "keep_cut": keep_cut}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if tiles is not None:
        return TileSettings(TileGrid.parse(tiles, OVERLAP if overlap is None else overlap), **given)
    if overlap is not None or given:
        names = [*(["overlap"] if overlap is not None else []), *given]
        raise ValueError(
            f"{', '.join(names)}: given without tiles; add --tiles, such as --tiles 640, or leave them out"
        )
    return None
