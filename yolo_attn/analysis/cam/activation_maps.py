"""Pictures and a checkpoint -> class activation maps, with the numbers that say whether to believe them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.utils.torch_utils import select_device

from yolo_attn.analysis import trained_detector
from yolo_attn.analysis.cam.deletion import Deletion, deletion
from yolo_attn.analysis.cam.input_picture import InputPicture, classifier_input, detector_input
from yolo_attn.analysis.cam.layers import candidates, slopes
from yolo_attn.analysis.cam.methods import METHODS, activation_map
from yolo_attn.analysis.cam.randomised import rank_correlation, with_shuffled_weights
from yolo_attn.analysis.cam.scoring import ScoringNetwork
from yolo_attn.analysis.cam.target import Target, of_box, of_class
from yolo_attn.analysis.checkpoint import opened
from yolo_attn.detection.sources import IMAGES, files

SHUFFLES = 3  # networks with shuffled weights
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """What one score rests on, in one feature map of one picture.

    Attributes:
        picture: File name.
        image: (H, W, 3) RGB, 0 to 255: the picture; for a classifier the square that it sees.
        layer, kind: Path of the layer in the network, and its class.
        method: "gradcam" or "eigencam".
        class_name: The class whose score is explained.
        score: Mean of its score over the places that are explained, 0 to 1.
        boxes: (K, 4) xyxy in pixels of the picture: the boxes predicted at these places; (0, 4) for a classifier.
        iou: Of the predicted box with the one that was asked for; NaN without one.
        values: (h, w), 0 or more, in no unit; the higher, the more the score rests on the cell.
        extent: Left, right, bottom and top of `values` in pixels of the picture, beyond it by the padding.
        deletion: The score as cells are removed; None unless asked for.
        shuffled: Rank correlation with the map after the weights were shuffled, mean of SHUFFLES, negative values included; NaN if
            those maps are the same everywhere, or not asked for.
    """

    picture: str
    image: np.ndarray
    layer: str
    kind: str
    method: str
    class_name: str
    score: float
    boxes: np.ndarray
    iou: float
    values: np.ndarray
    extent: tuple[float, float, float, float]
    deletion: Deletion | None = None
    shuffled: float = float("nan")


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
    explainer = _Explainer(yolo, row, method, class_name, box, threshold, checks, device)
    paths = files(images, IMAGES) if isinstance(images, str | Path) else [*map(Path, images)]
    if box is not None and len(paths) > 1:
        raise ValueError(f"a box belongs to one picture, and {len(paths)} are given")
    return explainer.maps(paths, imgsz)


class _Explainer:
    def __init__(
        self,
        yolo: YOLO,
        row: int | None,
        method: str,
        class_name: str | None,
        box: Box | None,
        threshold: float,
        checks: bool,
        device: str | None,
    ):
        self.yolo, self.row, self.method, self.box = yolo, row, method, box
        self.threshold, self.checks = threshold, checks
        self.device = select_device(device or "", verbose=False)
        self.network = ScoringNetwork(yolo.model).to(self.device)
        self.layers = candidates(self.network, row)
        self.index = None if class_name is None else self._index_of(class_name)
        self.shuffled = [with_shuffled_weights(self.network, seed) for seed in range(SHUFFLES if checks else 0)]
        if box is not None and yolo.task == "classify":
            raise ValueError("a classifier has no boxes; give a class")

    def maps(self, paths: Iterable[Path], imgsz: int | None) -> Iterator[ActivationMap]:
        size = imgsz or self.yolo.overrides.get("imgsz") or (224 if self.yolo.task == "classify" else 640)
        if self.yolo.task == "classify":
            read = partial(classifier_input, imgsz=size)
        else:
            read = partial(detector_input, imgsz=size, stride=max(int(self.yolo.model.stride.max()), 32))
        for path in paths:
            try:
                yield self._map(read(path))
            except ValueError as error:
                raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error

    def _map(self, picture: InputPicture) -> ActivationMap:
        images = picture.tensor.to(self.device)
        target, score, boxes = self._target(picture, images)
        path = self._layer(images, target)
        signed = self._signed(self.network, path, images, target)
        values, inside = np.maximum(signed, 0), picture.inside(*signed.shape)
        others = [self._signed(network, path, images, target) for network in self.shuffled]
        correlations = [rank_correlation(signed, other, inside) for other in others]
        defined = [correlation for correlation in correlations if correlation == correlation]
        return ActivationMap(
            picture=picture.name,
            image=picture.image,
            layer=path,
            kind=type(self.layers[path]).__name__,
            method=self.method,
            class_name=self.yolo.names[target.index],
            score=score,
            boxes=boxes,
            iou=target.iou,
            values=values,
            extent=picture.extent,
            deletion=deletion(self.network, picture, target, values) if self.checks else None,
            shuffled=float(np.mean(defined)) if defined else float("nan"),
        )

    def _target(self, picture: InputPicture, images: torch.Tensor) -> tuple[Target, float, np.ndarray]:
        """The target in a picture, its score, and the boxes at its places."""
        with torch.no_grad():
            found = self.network.predict(images)
        boxes = np.zeros((0, 4)) if found.boxes is None else picture.place.undo(found.boxes[0].cpu().numpy())
        if self.box is None:
            target = of_class(found, self.index, self.threshold)
        else:
            _require_inside(self.box, picture.place.size)
            target = of_box(found, boxes, self.box)
        chosen = boxes if found.boxes is None else boxes[target.places.cpu().numpy()]
        return target, float(target(found.scores[0])), chosen

    def _layer(self, images: torch.Tensor, target: Target) -> str:
        """The path of the last layer that the target depends on."""
        found = slopes(self.network, self.layers, images, target)
        reached = [path for path, slope in found.items() if slope is not None]
        if reached:
            return reached[-1]
        if self.method == "eigencam" and self.row is not None:
            return f"model.{self.row}"  # which asks for no gradient
        names = ", ".join(found)
        raise ValueError(
            f"the score of {self.yolo.names[target.index]} does not depend on {names};"
            " give a row from which the detection is made by --row, or another class or box"
        )

    def _signed(self, network: torch.nn.Module, path: str, images: torch.Tensor, target: Target) -> np.ndarray:
        assert isinstance(network, ScoringNetwork)
        return activation_map(self.method, network, network.network.get_submodule(path), images, target)

    def _index_of(self, name: str) -> int:
        names = {known: index for index, known in self.yolo.names.items()}
        if name not in names:
            known = ", ".join(names)
            raise ValueError(f"the model knows no class {name}; its classes are {known[:200]}")
        return names[name]


def _require_inside(box: Box, size: tuple[int, int]) -> None:
    left, top, right, bottom = box
    height, width = size
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        given = ",".join(f"{side:g}" for side in box)
        raise ValueError(
            f"the box {given} is no box in a picture of {width} x {height} pixels; give x1,y1,x2,y2 with x1 < x2 and y1 < y2"
        )
