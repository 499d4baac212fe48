"""`yolo-attn insert`, `strip` and `check`: model YAMLs."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

Base = Annotated[
    str, typer.Argument(help="Model YAML: a path, or a name that Ultralytics knows, such as yolov5s.yaml.")
]
RunLayers = Annotated[
    bool, typer.Option("--run-layers", help="Run the Python files that the YAML names with `layers:`; you trust them.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="YAML to write; it may be the input itself.")]


def insert(
    base: Base,
    layers: Annotated[
        list[str],
        typer.Argument(
            help="Layers with their arguments, such as EMA, EMA:8 or CBAM:16,7; several follow one another."
        ),
    ],
    output: Output,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the layers go: backbone-end (the default), sppf, stages, neck, or the index of a row. "
            "Repeat the option for several places."
        ),
    ] = None,
    into: Annotated[
        list[str] | None,
        typer.Option(
            help="Put the layers inside blocks instead, in every bottleneck before its shortcut: a block's name such as C3k2, "
            "backbone, neck, all, or the index of a row. With @end, such as SPPF@end, at the end of the block. Repeatable."
        ),
    ] = None,
    rezero: Annotated[
        bool,
        typer.Option(
            "--rezero",
            help="Put each layer behind a gain that starts at 0, so that training starts from the unchanged network.",
        ),
    ] = False,
    run_layers: RunLayers = False,
) -> None:
    """Put attention layers into a model YAML: rows of their own, behind which rows are renumbered and rewired, or inside blocks.

    Example: yolo-attn insert yolov5s.yaml EMA -o my.yaml

    Example: yolo-attn insert yolo11n.yaml EMA:8 CBAM:16,7 --at neck --at sppf -o yolo11n-attention.yaml

    Example: yolo-attn insert yolo11s.yaml EMA:8 --into C3k2 -o yolo11s-inside.yaml
    """
    from yolo_attn.model_yaml import edit, inside, places, rows
    from yolo_attn.model_yaml.scale import scale_of, with_default_scale
    from yolo_attn.plugin.offered_layers import find_layer

    at = at or ([] if into else [places.DEFAULT])
    text = _read(base)
    with _error_names(base):
        for layer in layers:
            find_layer(layer.partition(":")[0])  # registers those that a package or YOLO_ATTN_LAYERS offers
        chosen = ["ReZero:" + layer.replace(":", ",", 1) for layer in layers] if rezero else layers
        changed = edit.insert_all(inside.insert_inside(text, chosen, into or []), chosen, at)
        scale, scale_of_output = scale_of(Path(base).name), scale_of(output.name)
        if scale and not scale_of_output:
            changed = with_default_scale(changed, scale)  # my.yaml, made of yolov5s.yaml, is s too
        _refuse_errors(changed, output, scale_of_output or scale, _file(base) if run_layers else None)
    _write(output, changed)
    modules = [row.module for row in rows.parse(text)]
    found = [("inside", role, places.blocks(text, role.partition("@")[0])) for role in into or ()]
    found += [("behind", role, places.places(text, role)) for role in at]
    for where, role, indices in found:
        named = ", ".join(f"{row} ({modules[row]})" for row in indices)
        typer.echo(f"{output}: {' and '.join(layers)} {where} row {named}" + ("" if role.isdecimal() else f", {role}"))
    typer.echo(f"Train it with: yolo train {shlex.quote(f'model={output}')} data=coco8.yaml")


def strip(file: Base, output: Output) -> None:
    """Take all attention layers out of a model YAML: the exact inverse of insert.

    Example: yolo-attn strip my.yaml -o plain.yaml
    """
    from yolo_attn.model_yaml import edit

    text = _read(file)
    with _error_names(file):
        text = edit.strip(text)
    _write(output, text)
    typer.echo(f"{output}: {file} without attention layers")


def check(
    files: Annotated[list[str], typer.Argument(help="Model YAMLs: paths, or names that Ultralytics knows.")],
    run_layers: RunLayers = False,
) -> None:
    """Say what is wrong or doubtful in model YAMLs, a line per finding. Nothing that a file says is executed or downloaded.

    The exit code is 1 if a model has an error, 2 if a file cannot be read, else 0.

    Example: yolo-attn check my.yaml yolov5s-ema.yaml
    """
    from yolo_attn.checking.check import check as findings_of

    exit_code = 0
    for file in files:
        try:
            text = _read(file)
        except (OSError, ValueError) as error:  # the other files are checked all the same
            typer.echo(f"yolo-attn: {error}", err=True)
            exit_code = 2
            continue
        findings = findings_of(text, _file(file) if run_layers else None)
        if any(finding.level == "error" for finding in findings):
            exit_code = max(exit_code, 1)
        typer.echo("\n".join(f"{file}: {finding}" for finding in findings) or f"{file}: ok")
    raise typer.Exit(exit_code)


def _file(base: str) -> Path:
    from yolo_attn.plugin.files import find

    return find(base)


def _read(base: str) -> str:
    """The text of a model YAML, line ends as they are."""
    try:
        return _file(base).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{base}: byte {error.start} is not UTF-8; save the file as UTF-8") from error


def _write(output: Path, text: str) -> None:
    from yolo_attn.plugin.files import SUFFIXES
    from yolo_attn.storage import atomic_write

    if output.suffix.lower() not in SUFFIXES or output.is_dir():
        raise ValueError(f"{output}: is no file name for a model YAML; give one that ends in .yaml")
    atomic_write(output, text)


@contextmanager
def _error_names(file: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _refuse_errors(text: str, output: Path, scale: str | None, runs_layers_beside: Path | None) -> None:
    """Refuse what does not work at the scale that was asked for; say what does not at another."""
    from yolo_attn.checking.check import check as findings_of

    errors = [finding for finding in findings_of(text, runs_layers_beside) if finding.level == "error"]
    refused = [error for error in errors if not scale or not error.scales or scale in error.scales]
    if refused:
        raise ValueError(f"{output} would not work, and is not written: " + "; ".join(map(str, refused)))
    for error in errors:
        typer.echo(f"note: {error}", err=True)
