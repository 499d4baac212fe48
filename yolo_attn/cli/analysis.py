"""`yolo-attn gates` and `yolo-attn rotation`: the behaviour of a trained model."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from yolo_attn.analysis.layer_gates import LayerGates
    from yolo_attn.analysis.trained_classifier import TrainedClassifier

Model = Annotated[Path, typer.Option(help="Checkpoint of a classifier, such as best.pt of `yolo classify train`.")]
Data = Annotated[Path, typer.Option(help="Folder with one folder of images per class, or a data set with val or test.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the results. By default it lies beside the checkpoint.")]
Imgsz = Annotated[int | None, typer.Option(min=1, help="Side of an image in pixels. By default that of the training.")]
Batch = Annotated[int, typer.Option(min=1, help="Images in a batch.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read images; 0 reads in the main process.")]
Device = Annotated[str | None, typer.Option(help="cpu, 0, ... By default the first GPU, or the CPU without one.")]


def gates(
    model: Annotated[Path, typer.Argument(help="Checkpoint, such as best.pt of `yolo train`.")],
    data: Annotated[
        Path, typer.Option(help="Data YAML; for a classifier a folder with one folder of images per class.")
    ],
    split: Annotated[str, typer.Option(help="Images that are measured: train, val or test.")] = "val",
    out: Out = None,
    imgsz: Annotated[
        int | None, typer.Option(min=1, help="Longer side in pixels. By default that of the training.")
    ] = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
    show: Annotated[int, typer.Option(min=0, help="Images that are drawn with a heat map of each layer.")] = 4,
    picture: Annotated[list[str] | None, typer.Option(help="File name of an image to draw; may be repeated.")] = None,
    first_of_stages: Annotated[
        bool, typer.Option(help="Only the first layer at each size of the feature map, as EMCA's Figure 6.")
    ] = False,
    counterfactual: Annotated[
        bool,
        typer.Option(help="Also replace each gate by its mean and by 1 and score the model: two more `val` a layer."),
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=1, help="Sets of images drawn for the interval of --counterfactual.")
    ] = 200,
) -> None:
    """Measure what each attention layer of a trained model multiplies by, over a whole set of images.

    Example: yolo-attn gates runs/detect/train/weights/best.pt --data VisDrone.yaml
    """
    from yolo_attn.analysis import gate_maps, gate_page, gate_report
    from yolo_attn.analysis.counterfactual import counterfactual as replaced_gates
    from yolo_attn.analysis.evaluation import evaluation
    from yolo_attn.analysis.layer_gates import measure
    from yolo_attn.storage import atomic_write

    trained = evaluation(model, data, split, imgsz, batch, workers, device)
    measured = measure(trained, picture or show)
    found = measured.gates.first_of_stages() if first_of_stages else measured.gates
    shown = {layer.layer for layer in found.layers}
    changes = [*replaced_gates(trained, measured, shown, resamples)] if counterfactual else []
    out = out or model.with_name(f"{model.stem}-gates")
    conditions = {"model": str(model), "data": str(data), "split": split, "imgsz": trained.imgsz}
    gate_report.write(out, conditions, found, changes)
    files = ["gates.json", "gates.csv", "gates.png"]
    if found.pictures:
        atomic_write(out / "maps.png", gate_maps.png(gate_maps.sheet(found, model.name)))
        atomic_write(out / "maps.html", gate_page.page(found, model.name))
        size = (out / "maps.html").stat().st_size / 2**20
        files += ["maps.png", f"maps.html ({size:.1f} MiB, needs no network)"]
    headings = ["layer", "map", "mean", "std", "of images", "~0", "~1/2", "~1", "in boxes"]
    _print(f"{model}: gates, {found.images:,} images", headings, [_gate_row(layer) for layer in found.layers])
    typer.echo(
        "of images: std over the images at a channel and pixel; ~: share within 0.05; in boxes: mean inside less outside"
    )
    for layer in found.layers:
        if layer.reason:
            typer.echo(f"{layer.layer}: {layer.reason}; shown is (output - input) / root mean square of the input")
        if layer.values.constant:
            typer.echo(f"{layer.layer}: a constant, the same for every image within {layer.values.over_images:.4f}")
    for path, reason in found.left_out.items():
        typer.echo(f"{path}: left out, it {reason}")
    if changes:
        rows = [
            [
                f"{change.layer}, gate {change.gate}",
                change.metric,
                f"{change.score:.2f}",
                f"{change.difference:+.2f}",
                f"{change.low:+.2f} to {change.high:+.2f}",
            ]
            for change in changes
        ]
        _print("Scores with the gate replaced", ["layer", "score", "%", "change", "95 % interval"], rows)
        typer.echo(_about_scores({change.metric for change in changes}))
    typer.echo(f"{out}: {', '.join(files)}")


def _about_scores(metrics: set[str]) -> str:
    if "official AP" in metrics:
        return "mAP50-95 is that of Ultralytics' val; official AP is VisDrone's, by the annotations beside the images"
    if "mAP50-95" in metrics:
        return "mAP50-95 is that of Ultralytics' val; there is no official AP without VisDrone's annotations beside the images"
    return "top-1 is the accuracy of Ultralytics' val"


def _gate_row(layer: "LayerGates") -> list[str]:
    values = layer.values
    numbers = [values.mean, values.deviation, values.over_images]
    shares = [values.near_0, values.near_half, values.near_1]
    inside = f"{layer.regions.difference:+.3f}" if layer.regions.images else "-"
    return [
        f"{layer.layer} {layer.kind}",
        "{}x{}".format(*layer.size),
        *(f"{value:.3f}" for value in numbers),
        *(f"{share:.0%}" for share in shares),
        inside,
    ]


def rotation(
    model: Model,
    data: Data,
    out: Out = None,
    imgsz: Imgsz = None,
    batch: Batch = 16,
    workers: Workers = 0,
    device: Device = None,
) -> None:
    """Measure the accuracy of a classifier on images rotated clockwise by 0, 90, 180 and 270 degrees.

    Example: yolo-attn rotation --model runs/classify/train/weights/best.pt --data images
    """
    from yolo_attn.analysis import rotation as analysis

    classifier, batches, conditions = _opened("rotation", model, data, imgsz, batch, workers, device)
    measured = analysis.accuracies(classifier, batches)
    out = out or model.with_name(f"{model.stem}-rotation")
    analysis.write(out, conditions, measured)
    upright = measured[0]
    rows = []
    for accuracy in measured:
        top5 = "-" if accuracy.top5 is None else f"{accuracy.top5:.2f}"
        rows.append([f"{accuracy.angle}°", f"{accuracy.top1:.2f}", f"{accuracy.top1 - upright.top1:+.2f}", top5])
    _print(f"{model}: {upright.images:,} images", ["clockwise", "top-1 %", "less upright", "top-5 %"], rows)
    typer.echo(f"{out}: rotation.json, rotation.csv, rotation.png")


def _opened(
    title: str, model: Path, data: Path, imgsz: int | None, batch: int, workers: int, device: str | None
) -> tuple["TrainedClassifier", Iterable[Any], dict[str, Any]]:
    """Open a classifier and its images, in batches behind a progress bar; say what is measured, for the record."""
    from ultralytics.utils import TQDM

    from yolo_attn.analysis.trained_classifier import TrainedClassifier, loader

    classifier = TrainedClassifier.load(model, imgsz, device)
    conditions = {"model": str(model), "data": str(data), "imgsz": classifier.imgsz}
    return classifier, TQDM(loader(classifier, data, batch, workers), desc=title), conditions


def _print(title: str, headings: list[str], rows: list[list[str]]) -> None:
    first, *others = headings
    numbers = [Column(heading, justify="right") for heading in others]
    table = Table(Column(first, no_wrap=True), *numbers, title=Text(title), title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
