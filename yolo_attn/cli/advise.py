"""`yolo-attn advise`: object sizes of a data set, and what follows from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yolo_attn.advice.rules import Advice
    from yolo_attn.advice.sizes import Sizes


def advise(
    data: Annotated[
        str,
        typer.Argument(help="A data YAML by path, or by a name under which Ultralytics finds it.", metavar="DATA.yaml"),
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    imgsz: Annotated[
        str, typer.Option(help="Training sizes to look at, in pixels of the longer side, separated by commas.")
    ] = "640,960,1280,1536,1920",
    json: Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for a figure, sizes.png.")] = None,
) -> None:
    """Print how large the objects of a data set are, and what follows for image size, P2 head and tiles.

    Only labels and the sizes of pictures are read. The advice is a start: a benchmark decides.

    Example: yolo-attn advise aerial-demo.yaml --plots sizes
    """
    sizes = [int(part) if part.strip().isdecimal() else 0 for part in imgsz.split(",")]
    if min(sizes) < 1:
        raise ValueError(
            f"advise: --imgsz is {imgsz!r}; give whole numbers of pixels separated by commas, such as 640,1280"
        )
    if split not in ("train", "val", "test"):
        raise ValueError(f"advise: --split is {split!r}; it is train, val or test")

    from yolo_attn.advice import report, rules
    from yolo_attn.advice.objects import read_objects
    from yolo_attn.advice.sizes import measure
    from yolo_attn.storage import atomic_write

    objects = read_objects(data, split)
    measured = measure(objects, sizes)
    advice = rules.advise(measured)
    if json:
        atomic_write(json, report.to_json(data, split, measured, advice) + "\n")
    _print(f"{data}, {split}", measured, advice)
    if plots:
        typer.echo(f"{plots}: {report.write_plot(plots, f'{data}, {split}', objects, measured)}")


def _print(title: str, sizes: "Sizes", advice: "Sequence[Advice]") -> None:
    console = Console()
    percentiles = Table(
        "percentile", *(_number(f"{key} %") for key in sizes.side), title=Text(title), title_justify="left"
    )
    percentiles.add_row("side of an object, pixels", *(f"{value:.1f}" for value in sizes.side.values()))
    percentiles.add_row("relative to its picture", *(f"{value:.4f}" for value in sizes.relative_side.values()))
    limits = sizes.at[0].below
    table = Table(
        "training size", _number("median side"), *(_number(f"below {limit} px") for limit in limits),
        title="Objects in the training picture", title_justify="left",
    )  # fmt: skip
    for at in sizes.at:
        table.add_row(
            f"imgsz={at.imgsz}", f"{at.median_side:.1f}", *(f"{100 * share:.1f} %" for share in at.below.values())
        )
    console.print(percentiles, table)
    typer.echo(
        f"{sizes.objects:,} objects on {sizes.pictures:,} pictures, {sizes.background:,} of them without an object;"
        f" {sizes.unreadable:,} more cannot be read"
    )
    for entry in advice:
        typer.echo(f"\n{entry.question}: {entry.answer}\n  because {entry.reason}")
        typer.echo(f"  rule: {entry.rule}\n  source: {entry.source}")


def _number(heading: str) -> Column:
    return Column(heading, justify="right")
