"""`yolo-attn predict`, which needs neither torch nor Ultralytics."""

from pathlib import Path
from typing import Annotated

import typer


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
