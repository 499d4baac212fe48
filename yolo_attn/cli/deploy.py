"""`yolo-attn export`, the stock export with its proof."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="A checkpoint, or a model YAML.")],
    format: Annotated[str, typer.Option(help="onnx, torchscript, openvino, ...: as `yolo export` calls it.")] = "onnx",
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the file's outputs with the model's.")
    ] = True,
    images: Annotated[
        Path | None, typer.Option(help="Image, or folder of images, on which to compare boxes, too.")
    ] = None,
    imgsz: Annotated[
        str | None, typer.Option(help="Pixels of height and width, or 384,640. By default the model's.")
    ] = None,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Any height, width and number of images.")] = False,
    batch: Annotated[int, typer.Option(help="Images at once.")] = 1,
    half: Annotated[bool, typer.Option("--half", help="Weights in half precision.")] = False,
    simplify: Annotated[bool, typer.Option("--simplify/--no-simplify", help="Simplify the graph.")] = True,
    opset: Annotated[int | None, typer.Option(help="ONNX operator set. By default Ultralytics' choice.")] = None,
) -> None:
    """Export a model, prove that the file computes the same, and write a note beside it."""
    from yolo_attn.deploy import export as room
    from yolo_attn.detection.sources import IMAGES, files

    paths = [path for path in files(images) if path.suffix.lower() in IMAGES] if images else []
    asked = {"imgsz": [int(side) for side in imgsz.split(",")] if imgsz else None, "opset": opset}
    asked |= {"half": True} if half else {}
    chosen = {name: value for name, value in asked.items() if value is not None}
    if format == "onnx":
        chosen["simplify"] = simplify
    done = room.export(model, format, verify, paths, dynamic=dynamic, batch=batch, **chosen)
    typer.echo(f"{done.file}: {done.summary}; note in {done.note}")
