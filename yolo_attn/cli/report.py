"""`yolo-attn report`: the page of one or several folders of `bench`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Folders of `bench` with the same data set and settings.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page. By default report.html in the folder, or in the current one if there are several folders.",
        ),
    ] = None,
    latex: Annotated[
        bool,
        typer.Option("--latex", help="Also write the comparison as table.tex, in booktabs' style, beside the page."),
    ] = False,
) -> None:
    """Write report.html from folders of bench.

    One file that opens without a network: the answer, tables, plots, pictures, and links to the records. Nothing is trained.
    Several folders are joined: models are compared with the first model of the first folder.

    Example: yolo-attn report runs/bench --latex
    """
    from yolo_attn.experiment.report import page

    for file in page.write(folders, out, latex):
        typer.echo(file)
