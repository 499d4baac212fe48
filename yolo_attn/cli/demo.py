"""`yolo-attn demo`: the drawn data set."""

import logging
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from yolo_attn.cli.numbers import whole_numbers


def demo(
    root: Annotated[
        Path | None, typer.Option(help="Folder to draw it into; by default that of data=aerial-demo.yaml.")
    ] = None,
    picture_size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Size of all pictures, such as 2000x1500; needs --root. By default 640x480 and 640x360.",
        ),
    ] = None,
    pictures: Annotated[
        str, typer.Option(metavar="TRAIN,VAL,TEST", help="Number of pictures; others than by default need --root.")
    ] = "160,40,40",
    crowds: Annotated[
        bool,
        typer.Option(
            "--crowds",
            help="Also draw sharp crowds in ignored regions, with the regions for `ignored: fill` and the truth; needs --root.",
        ),
    ] = False,
) -> None:
    """Draw the aerial demo set, 240 pictures, unless already drawn, and print its folder.

    Example: yolo-attn demo --root VisDrone
    """
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.utils import LOGGER, TQDM

    from yolo_attn.demo import draw

    train, val, test = whole_numbers("--pictures", pictures, ",", 3)
    options: dict[str, Any] = {"images": (train, val, test)}
    if picture_size is not None:
        options["sizes"] = (whole_numbers("--picture-size", picture_size.lower(), "x", 2),)
    if crowds:
        options["crowds"] = True
    if root is None and options != {"images": (160, 40, 40)}:
        raise ValueError("demo: other pictures than those of data=aerial-demo.yaml need a folder; give --root")

    for handler in LOGGER.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)  # the folder alone goes to standard output, for use in $(...)
    with redirect_stdout(sys.stderr):
        folder = check_det_dataset("aerial-demo.yaml")["path"] if root is None else draw(root, progress=TQDM, **options)
    typer.echo(folder)
