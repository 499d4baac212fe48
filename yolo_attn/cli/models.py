"""`yolo-attn insert`, `strip` and `check`: model YAMLs."""

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="A model YAML.")]


def insert(
    base: Annotated[
        str, typer.Argument(help="A model YAML: a path, or a name as Ultralytics knows it, such as yolov5s.yaml.")
    ],
    layers: Annotated[list[str], typer.Argument(help="Layers with their arguments: EMA, EMA:8, CBAM:16,7.")],
    at: Annotated[
        list[str], typer.Option(help="backbone-end, sppf, stages, neck, or the index of a row; may be repeated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML to write.")],
    rezero: Annotated[
        bool, typer.Option("--rezero", help="Start as identity: each layer behind a gain that starts at 0.")
    ] = False,
) -> None:
    """Put layers into a model YAML. Each layer goes to each place; what read the row there reads the layer instead."""
    from yolo_attn.model_yaml import rows
    from yolo_attn.plugin.files import find

    layers = ["ReZero:" + layer.replace(":", ",", 1) for layer in layers] if rezero else layers
    text = rows.insert_all(find(base).read_text(encoding="utf-8"), layers, at)
    letter = rows.SCALED_NAME.match(Path(base).name)
    scale = letter and letter[2]
    if scale and not rows.SCALED_NAME.match(output.name):
        text = rows.with_default_scale(text, scale)  # my.yaml has no letter, and was made of yolov5s.yaml
    _refuse_errors(text, output, scale)
    output.write_text(text, encoding="utf-8")
    typer.echo(f"{output}: try `yolo train model={output} data=...`")


def strip(file: File, output: Annotated[Path, typer.Option("--output", "-o", help="The YAML to write.")]) -> None:
    """Take all our layers out of a model YAML again."""
    from yolo_attn.model_yaml import rows
    from yolo_attn.plugin.files import find

    output.write_text(rows.strip(find(file).read_text(encoding="utf-8")), encoding="utf-8")


def check(files: Annotated[list[Path], typer.Argument(help="Model YAMLs.")]) -> None:
    """Say what is wrong or doubtful in model YAMLs, a line per finding. The exit code is 1 if anything is wrong."""
    from yolo_attn.checking.check import check as findings_of
    from yolo_attn.plugin.files import find

    wrong = False
    for file in files:
        found = findings_of(find(file).read_text(encoding="utf-8"))
        wrong |= any(finding.level == "error" for finding in found)
        typer.echo("\n".join(f"{file}: {finding}" for finding in found) or f"{file}: ok")
    raise typer.Exit(int(wrong))


def _refuse_errors(text: str, output: Path, scale: str | None) -> None:
    """Refuse what does not work at the scale that was asked for; say what does not at another."""
    from yolo_attn.checking.check import check as findings_of

    errors = [finding for finding in findings_of(text) if finding.level == "error"]
    refused = [error for error in errors if not (scale and error.scales) or scale in error.scales]
    if refused:
        raise ValueError(f"{output} would not work, and is not written: " + "; ".join(map(str, refused)))
    for error in errors:
        typer.echo(f"note: {error}", err=True)
