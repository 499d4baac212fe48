"""Pictures and a checkpoint -> class activation maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ultralytics import YOLO

from yolo_attn.analysis import trained_detector
from yolo_attn.analysis.cam.activation_map import ActivationMap
from yolo_attn.analysis.cam.explainer import Box, Explainer
from yolo_attn.analysis.cam.methods import METHODS
from yolo_attn.analysis.checkpoint import opened
from yolo_attn.detection.sources import IMAGES, files


def activation_maps(
    model: str | Path | YOLO,
    images: str | Path | Sequence[str | Path],
    row: int | None = None,
    method: str = "gradcam",
    class_name: str | None = None,
    box: Box | None = None,
    threshold: float = 0.25,
    imgsz: int | None = None,
    device: str | None = None,
    checks: bool = True,
) -> Iterator[ActivationMap]:
    """A checkpoint and pictures -> for each picture the map of one layer for one score.

    Args:
        model: A checkpoint of a detector or classifier, also for segmentation, poses and oriented boxes.
        images: An image, a folder of images, or a list of images.
        row: Row of the model whose output is looked at; None is the last attention layer that the score depends on.
        method: "gradcam" or "eigencam".
        class_name: The class to explain; None is the one with the highest score in a picture.
        box: Instead, the predicted box nearest to this one: xyxy in pixels of the picture.
        threshold: A class is explained at all places where it has this score, 0 to 1, or else at the best one.
        imgsz: Longer side of the network's input in pixels, for a classifier its side; None is that of the training.
        device: "cpu", "0", ...; None is the first GPU, or the CPU where there is none.
        checks: Also make the deletion test and the one with shuffled weights: some 80 more runs of the network a picture.

    Raises:
        FileNotFoundError: A file is not there, or there is no image.
        ValueError: The model cannot be read, has no such class, row or attention layer, or a score does not depend on the row.
        ImportError: grad-cam is not installed.
    """
    if method not in METHODS:
        raise ValueError(f"method {method}: there are {' and '.join(METHODS)}")
    if class_name is not None and box is not None:
        raise ValueError("a class and a box are given; a map explains one of them")
    tasks = ("classify", *trained_detector.TASKS)
    yolo = model if isinstance(model, YOLO) else opened(Path(model), "yolo train", tasks)
    explainer = Explainer(yolo, row, method, class_name, box, threshold, checks, device)
    paths = files(images, IMAGES) if isinstance(images, str | Path) else [*map(Path, images)]
    if box is not None and len(paths) > 1:
        raise ValueError(f"a box belongs to one picture, and {len(paths)} are given")
    return explainer.maps(paths, imgsz)
