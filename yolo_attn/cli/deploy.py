"""`yolo-attn export`, the stock export with its proof, and `yolo-attn predict`, which needs neither torch nor Ultralytics."""

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


def predict(
    onnx: Annotated[Path, typer.Option(help="A detector, exported by `yolo-attn export` or `yolo export`.")],
    source: Annotated[Path, typer.Option(help="An image, a video, or a folder of them.")],
    out: Annotated[Path | None, typer.Option(help="Folder for what is written.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write detections.json; without --out to standard output.")
    ] = False,
    visdrone: Annotated[
        bool, typer.Option("--visdrone", help="Write a VisDrone detection file for each picture.")
    ] = False,
    draw: Annotated[
        bool | None, typer.Option("--draw/--no-draw", help="Draw the boxes; by default if nothing else is written.")
    ] = None,
    imgsz: Annotated[int | None, typer.Option(help="Pixels of the longer side, for a file of dynamic size.")] = None,
    conf: Annotated[float, typer.Option(help="Lowest score.")] = 0.25,
    iou: Annotated[float, typer.Option(help="IoU above which the lower of two boxes of a class is dropped.")] = 0.7,
    max_det: Annotated[int, typer.Option(help="Most boxes of a picture.")] = 300,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Several classes a box, as `val` scores it.")
    ] = False,
    at_once: Annotated[
        int | None, typer.Option(help="Pictures in work at the same time; by default one a core.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Pictures in one run of the network.")] = 1,
) -> None:
    """Run an exported detector, with onnxruntime and OpenCV only. Files that cannot be read are named, and the exit code is 1."""
    from yolo_attn.detection.predict import Outputs, predict
    from yolo_attn.detection.runtime import Predictor, Settings, cores

    drawn = draw if draw is not None else out is not None and not (json or visdrone)
    predictor = Predictor(onnx, Settings(imgsz, conf, iou, max_det, multi_label), at_once or cores(), batch)
    done = predict(predictor, source, Outputs(out, drawn, json, visdrone), lambda line: typer.echo(line, err=True))
    typer.echo(
        f"{done.pictures} pictures, {sum(done.boxes.values())} boxes, {len(done.unreadable)} files unreadable", err=True
    )
    raise typer.Exit(int(bool(done.unreadable)))
