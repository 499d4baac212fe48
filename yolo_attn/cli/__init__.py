"""The command `yolo-attn`. Every verb is one call into the package; training, validation and export are the stock `yolo`'s."""

import typer

from yolo_attn.cli import bench, classifiers, export, models, predict, quantize, visdrone

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.partition(".")[2]
)
for verb in (
    models.insert,
    models.strip,
    models.check,
    visdrone.demo,
    bench.bench,
    classifiers.rotation,
    classifiers.scales,
    export.export,
    quantize.quantize,
    predict.predict,
):
    app.command()(verb)
app.add_typer(visdrone.app, name="visdrone")


@app.callback()
def _verbs() -> None:
    """Attention layers for Ultralytics YOLO: model YAMLs, weights, VisDrone."""


def main() -> None:
    """Run the command; bad input ends in one line on standard error and exit code 2."""
    try:
        app()
    except (OSError, ImportError, ValueError) as error:
        named = isinstance(error, OSError) and error.filename and error.strerror
        typer.echo(f"yolo-attn: {f'{error.filename}: {error.strerror}' if named else error}", err=True)
        raise SystemExit(2) from None
