"""`yolo-attn convert-yolov5`: checkpoints of YOLOv5 itself."""

import shlex
from pathlib import Path
from typing import Annotated

import typer


def convert_yolov5(
    checkpoint: Annotated[
        Path, typer.Argument(help="A detector of YOLOv5 v6.0 to v7.0: a checkpoint or a state dict.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default yolov5s-v6.pt beside yolov5s.pt."),
    ] = None,
) -> None:
    """Make a checkpoint of YOLOv5 itself one that the stock commands open: a model of yolov5-v6.yaml with its weights.

    Nothing that the file names is run. Scale, classes and anchors are those of the file.

    Example: yolo-attn convert-yolov5 yolov5s.pt
    """
    from ultralytics.utils.checks import check_yolov5u_filename

    from yolo_attn.plugin.yolov5_checkpoint import read_yolov5, save_checkpoint
    from yolo_attn.storage import atomic_path

    output = output or checkpoint.with_name(f"{checkpoint.stem}-v6.pt")
    if output.suffix != ".pt" or output.resolve() == checkpoint.resolve():
        raise ValueError(f"{output}: is no file to write; give a new name that ends in .pt")
    if check_yolov5u_filename(str(output), verbose=False) != str(output):
        way_out = f"give another name, such as {output.stem}-v6.pt"
        raise ValueError(f"{output}: Ultralytics reads {output.stem}u.pt where it is told this name; {way_out}")
    model = read_yolov5(checkpoint)
    with atomic_path(output) as draft:
        save_checkpoint(model, draft)
    scale, classes = model.yaml["scale"], model.yaml["nc"]
    typer.echo(f"{output}: YOLOv5 v6 at scale {scale}, {classes} classes, with the weights of {checkpoint}")
    start = f"model=yolov5{scale}-v6-ema.yaml {shlex.quote(f'pretrained={output}')}"
    typer.echo(f"Start from it with: yolo train {start} data=coco8.yaml")
