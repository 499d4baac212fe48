"""`yolo-attn quantize`: a detector in 8 bits."""

from pathlib import Path
from typing import Annotated

import typer


def quantize(
    model: Annotated[Path, typer.Argument(help="A trained checkpoint of a detector.")],
    data: Annotated[
        str, typer.Option(help="Data YAML; calibrates on its training images, measures on its validation images.")
    ],
    images: Annotated[int, typer.Option(help="Number of training images to calibrate on, 8 or more.")] = 64,
    imgsz: Annotated[
        int | None, typer.Option(help="Pixels of height and width. By default those of the training.")
    ] = None,
) -> None:
    """Write a detector as 8-bit ONNX (best-int8.onnx beside best.pt), with its accuracy and time beside those in float.

    Example: yolo-attn quantize best.pt --data data.yaml
    """
    from ultralytics.utils import TQDM

    from yolo_attn.deploy.quantize import quantize as quantize_detector

    quantized = quantize_detector(model, data, images, imgsz, lambda paths: TQDM(paths, desc="calibrating"))
    for name, quality in {"float": quantized.float32, "int8": quantized.int8}.items():
        typer.echo(
            f"{name:5}  mAP50 {quality.map50:.3f}  mAP50-95 {quality.map50_95:.3f}  {quality.milliseconds:.1f} ms"
            f"  {quality.megabytes:.1f} MB"
        )
    typer.echo(f"{quantized.file}: calibrated on {quantized.images} images; note in {quantized.note}")
