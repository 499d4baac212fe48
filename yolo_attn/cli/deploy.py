"""`yolo-attn export`, the stock export with its proof, and `yolo-attn quantize`, a detector in 8 bits."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="A checkpoint, or a model YAML.")],
    format: Annotated[
        str, typer.Option(help="onnx, torchscript, openvino, or another format of `yolo export`.")
    ] = "onnx",
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the file's outputs with the model's.")
    ] = True,
    images: Annotated[
        Path | None, typer.Option(help="Image, or folder of images, on which to compare the boxes after NMS as well.")
    ] = None,
    imgsz: Annotated[
        str | None,
        typer.Option(help="Pixels: one number, or height,width such as 384,640. By default the model's."),
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Let the file take any height, width and number of images.")
    ] = False,
    batch: Annotated[int, typer.Option(help="Batch size that the file is exported with.")] = 1,
    half: Annotated[bool, typer.Option("--half", help="Store weights in half precision.")] = False,
    simplify: Annotated[bool, typer.Option("--simplify/--no-simplify", help="Simplify the ONNX graph.")] = True,
    opset: Annotated[int | None, typer.Option(help="ONNX operator set. By default Ultralytics' choice.")] = None,
) -> None:
    """Export a model, check that the file gives the model's outputs, and write a note beside it.

    Example: yolo-attn export best.pt --imgsz 640 --images pictures/
    """
    from yolo_attn.deploy.export import export as export_and_verify
    from yolo_attn.detection.sources import IMAGES, files

    sides = [part.strip() for part in imgsz.split(",")] if imgsz else []
    if not all(side.isdigit() and int(side) > 0 for side in sides) or len(sides) > 2:
        raise ValueError(f"export: --imgsz {imgsz} is no size; give one or two whole numbers, such as 640 or 384,640")
    pictures = files(images, IMAGES) if images else []
    chosen = {"imgsz": [int(side) for side in sides] or None, "opset": opset, "half": half or None}
    chosen["simplify"] = simplify if format == "onnx" else None
    given = {name: value for name, value in chosen.items() if value is not None}
    exported = export_and_verify(model, format, verify, pictures, dynamic=dynamic, batch=batch, **given)
    typer.echo(f"{exported.file}: {exported.summary}; note in {exported.note}")


def quantize(
    model: Annotated[Path, typer.Argument(help="A trained checkpoint of a detector.")],
    data: Annotated[
        str, typer.Option(help="Data YAML; calibrates on its training images, measures on its validation images.")
    ],
    images: Annotated[int, typer.Option(help="Number of training images to calibrate on, 8 or more.")] = 64,
    imgsz: Annotated[
        int | None, typer.Option(help="Pixels of height and width. By default those of the training.")
    ] = None,
    format: Annotated[
        str, typer.Option(help="onnx, or openvino, which needs NNCF: pip install openvino nncf.")
    ] = "onnx",
) -> None:
    """Write a detector in 8 bits, with its accuracy and time beside those in float.

    The result lies beside best.pt: best-int8.onnx, or the folder best_int8_openvino_model.

    Example: yolo-attn quantize best.pt --data data.yaml
    """
    from ultralytics.utils import TQDM

    from yolo_attn.deploy.quantize import quantize as quantize_detector

    quantized = quantize_detector(model, data, images, imgsz, lambda paths: TQDM(paths, desc="calibrating"), format)
    for name, quality in {"float": quantized.float32, "int8": quantized.int8}.items():
        typer.echo(
            f"{name:5}  mAP50 {quality.map50:.3f}  mAP50-95 {quality.map50_95:.3f}  {quality.milliseconds:.1f} ms"
            f"  {quality.megabytes:.1f} MB"
        )
    typer.echo(f"{quantized.file}: calibrated on {quantized.images} images; note in {quantized.note}")
