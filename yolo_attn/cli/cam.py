"""`yolo-attn cam`: what a score of a trained model rests on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from yolo_attn.cli.tables import print_tables


def cam(
    model: Annotated[Path, typer.Argument(help="Checkpoint, such as best.pt of `yolo train`.")],
    images: Annotated[Path, typer.Option(help="An image, or a folder of images.")],
    row: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Row of the model YAML to look at. By default the last attention layer that the score depends on.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="gradcam or eigencam.")] = "gradcam",
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Class to explain. By default the surest one of each picture."),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X1,Y1,X2,Y2", help="Instead, the predicted box nearest to this one, in pixels of the picture."
        ),
    ] = None,
    conf: Annotated[
        float, typer.Option(min=0, max=1, help="Lowest score of the predictions that are explained together.")
    ] = 0.25,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results. By default it lies beside the checkpoint.")
    ] = None,
    imgsz: Annotated[
        int | None, typer.Option(min=1, help="Longer side in pixels. By default that of the training.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, 0, ... By default the first GPU, or the CPU without one.")
    ] = None,
    checks: Annotated[bool, typer.Option(help="Test the maps: by deletion and by shuffled weights.")] = True,
) -> None:
    """Draw what the score of a class or of a box rests on (Grad-CAM, EigenCAM), and test whether the map says anything.

    Example: yolo-attn cam runs/detect/train/weights/best.pt --images street.jpg --class car
    """
    from yolo_attn.analysis.cam import activation_maps, files

    wanted = None if box is None else _corners(box)
    found = activation_maps(model, images, row, method, class_name, wanted, conf, imgsz, device, checks)
    with typer.progressbar(found, label="cam", file=typer.get_text_stream("stderr")) as progress:
        maps = list(progress)
    out = out or model.with_name(f"{model.stem}-cam")
    files.write(out, {"model": str(model), "images": str(images), "conf": conf}, maps)
    table = Table("picture", "layer", "class", "score", "deletion", "random", "shuffled")
    for one in map(files.numbers, maps):
        values = [f"{one[key]:.3f}" if one[key] == one[key] else "-" for key in MEASURED]
        table.add_row(one["picture"], f"{one['layer']} {one['kind']}", one["class"], *values)
    print_tables(table)
    if checks:
        typer.echo(
            "deletion: area under the score as the cells that the map points at are removed first; random: the same in random order"
        )
        typer.echo(
            "shuffled: rank correlation with the maps of shuffled weights; near 1 the map does not show what was learned"
        )
    if box is not None:
        typer.echo(f"IoU of the given box with the predicted one: {maps[0].iou:.2f}")
    typer.echo(f"{out}: cam.json, cam.csv, cam.png")


MEASURED = ("score", "deletion_area", "random_area", "shuffled_weights")


def _corners(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(f"--box {text}: is not four numbers; write x1,y1,x2,y2 in pixels of the picture") from error
    return left, top, right, bottom
