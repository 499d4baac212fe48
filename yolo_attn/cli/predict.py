"""`yolo-attn predict`, boxes to look at and to work with, and `yolo-attn visdrone predict`, boxes to be scored."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from yolo_attn.cli.tile_options import KeepCut, Merge, MergeThreshold, Overlap, Tiles, Whole, tile_settings

Model = Annotated[Path, typer.Option(help="A checkpoint or an exported file. ONNX files run without torch.")]
Size = Annotated[
    int | None,
    typer.Option(
        help="Pixels of the longer side, rounded up to the model's stride. By default that of the training or export."
    ),
]
Iou = Annotated[
    float, typer.Option(help="IoU, 0 to 1, above which the lower-scoring of two boxes of a class is dropped.")
]
AtOnce = Annotated[
    int | None, typer.Option(help="Pictures processed in parallel. By default one for each core, in torch up to 4.")
]
Batch = Annotated[int | None, typer.Option(help="Batch size. By default 1, in torch 8.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, 0, ... By default the first GPU, if there is one; for ONNX files the CPU.")
]


def predict(
    model: Model,
    source: Annotated[Path, typer.Option(help="An image, a video, or a folder of them.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the output.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write detections.json; without --out to standard output.")
    ] = False,
    visdrone: Annotated[
        bool, typer.Option("--visdrone", help="Write a VisDrone detection file for each picture.")
    ] = False,
    draw: Annotated[
        bool | None,
        typer.Option(
            "--draw/--no-draw",
            help="Draw the boxes into copies of the pictures. By default if --out is given without --json and --visdrone.",
        ),
    ] = None,
    imgsz: Size = None,
    conf: Annotated[float, typer.Option(help="Drop boxes that score this or less, 0 to 1.")] = 0.25,
    iou: Iou = 0.7,
    max_det: Annotated[int, typer.Option(help="Maximum number of boxes of a picture.")] = 300,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Let a box have several classes, as `val` scores it.")
    ] = False,
    exif: Annotated[bool, typer.Option("--exif/--no-exif", help="Rotate pictures by their EXIF orientation.")] = True,
    tiles: Tiles = None,
    overlap: Overlap = None,
    whole: Whole = None,
    merge: Merge = None,
    merge_threshold: MergeThreshold = None,
    keep_cut: KeepCut = None,
    at_once: AtOnce = None,
    batch: Batch = None,
    device: Device = None,
) -> None:
    """Detect objects on pictures and videos, and draw or write their boxes.

    Nothing is replaced but what an earlier run wrote. Files that cannot be read are named, and the exit code is 1. For small
    objects in large pictures, --tiles 640 runs every picture in overlapping tiles.

    Example: yolo-attn predict --model best.onnx --source pictures/ --out results --draw --json
    """
    from yolo_attn.detection.opening import open_detector
    from yolo_attn.detection.predict import Outputs, predict
    from yolo_attn.detection.presets import DetectionSettings

    settings = DetectionSettings(
        imgsz=imgsz, conf=conf, iou=iou, max_det=max_det, multi_label=multi_label, apply_exif=exif
    )
    drawn = draw if draw is not None else out is not None and not (json or visdrone)
    outputs = Outputs(folder=out, drawn=drawn, json=json, visdrone=visdrone)
    tiling = tile_settings(tiles, overlap, whole, merge, merge_threshold, keep_cut)
    detector = open_detector(model, settings, at_once, batch, device, tiling)
    outcome = predict(detector, source, outputs, partial(typer.echo, err=True))
    typer.echo(
        f"{outcome.pictures} pictures, {sum(outcome.boxes.values())} boxes, {len(outcome.unreadable)} files unreadable",
        err=True,
    )
    raise typer.Exit(int(bool(outcome.unreadable)))


def visdrone_predict(
    model: Model,
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the detection files.")],
    imgsz: Size = None,
    conf: Annotated[float, typer.Option(help="Drop boxes that score this or less, 0 to 1.")] = 0.001,
    iou: Iou = 0.7,
    max_det: Annotated[int, typer.Option(help="Maximum number of rows of a file, 1 to 500.")] = 500,
    tiles: Tiles = None,
    overlap: Overlap = None,
    whole: Whole = None,
    merge: Merge = None,
    merge_threshold: MergeThreshold = None,
    keep_cut: KeepCut = None,
    at_once: AtOnce = None,
    batch: Batch = None,
    device: Device = None,
) -> None:
    """Write official detection files for the VisDrone protocol: a box may appear once for each class.

    Run it again after an interruption: existing files are kept. Images that cannot be read are named, and the exit code is 1.

    Example: yolo-attn visdrone predict --model best.pt --images VisDrone2019-DET-val/images --out detections
    """
    from yolo_attn.detection.presets import DetectionSettings
    from yolo_attn.detection.visdrone_predict import predict_visdrone

    settings = DetectionSettings(imgsz=imgsz, conf=conf, iou=iou, max_det=max_det, multi_label=True, apply_exif=False)
    tiling = tile_settings(tiles, overlap, whole, merge, merge_threshold, keep_cut)
    outcome = predict_visdrone(model, images, out, settings, at_once, batch, device, progress_bar, tiling)
    typer.echo(f"{out}: {outcome.written} detection files written, {outcome.kept} were there")
    if outcome.left_out:
        typer.echo(f"classes of the model that VisDrone does not have, left out: {', '.join(outcome.left_out)}")
    if outcome.unreadable:
        typer.echo("\n".join(["images that cannot be read, without detection file:", *outcome.unreadable]), err=True)
        raise typer.Exit(1)


def progress_bar(tasks: Sequence, title: str) -> Iterable:
    return track(tasks, escape(title), console=Console(stderr=True))
