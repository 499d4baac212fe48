"""The command `yolo-attn`: parse and print, nothing else.

Every verb is one call into the package. Training, validation and plain export are the stock `yolo`'s.
"""

import csv
import pickle
import zipfile
import zlib
from collections.abc import Callable
from typing import Annotated

import typer

import yolo_attn
from yolo_attn.cli import (
    adopt,
    advise,
    analysis,
    bench,
    cam,
    demo,
    deploy,
    models,
    predict,
    report,
    tile,
    visdrone,
    yolov5,
)

# What a user's file, folder or argument can cause; anything else is a mistake of this package and shows its traceback.
CAUSED_BY_USERS = (OSError, ValueError, ImportError, csv.Error, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)
VERBS: dict[str, list[Callable]] = {  # by panel of the help
    "Model files": [models.insert, models.strip, models.check, adopt.adopt, yolov5.convert_yolov5],
    "Did it help?": [bench.bench, report.report],
    "What does it do?": [analysis.gates, cam.cam, analysis.rotation],
    "Data": [advise.advise, demo.demo, tile.tile],
    "Ship it": [deploy.export, deploy.quantize, predict.predict],
}

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
for panel, verbs in VERBS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
app.add_typer(visdrone.app, name="visdrone", rich_help_panel="Data")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"yolo-attn {yolo_attn.__version__}")
        raise typer.Exit()


@app.callback()
def _command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Attention layers for Ultralytics YOLO: put them into a model, find out whether they helped, and ship the result.

    `yolo train`, `yolo val` and every other stock command work with these models as they are.
    """


def main() -> None:
    """Run the command. What a user can cause ends in one line on standard error and exit code 2, Ctrl-C in exit code 130."""
    try:
        app()
    except CAUSED_BY_USERS as error:
        typer.echo(f"yolo-attn: {_one_line(error)}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _one_line(error: BaseException) -> str:
    """The message of an error without line breaks; of an error of the operating system, the file and what is wrong with it."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
