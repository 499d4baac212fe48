"""Maps of one score of a network, picture by picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.utils.torch_utils import select_device

from yolo_attn.analysis.cam.activation_map import ActivationMap
from yolo_attn.analysis.cam.deletion import deletion
from yolo_attn.analysis.cam.input_picture import InputPicture, classifier_input, detector_input
from yolo_attn.analysis.cam.layers import candidates, slopes
from yolo_attn.analysis.cam.methods import activation_map
from yolo_attn.analysis.cam.randomised import rank_correlation, with_shuffled_weights
from yolo_attn.analysis.cam.scoring import ScoringNetwork
from yolo_attn.analysis.cam.target import Target, of_box, of_class

SHUFFLES = 3  # networks with shuffled weights
Box = tuple[float, float, float, float]


class Explainer:
    """A checkpoint, what of it is explained and how; the arguments are those of `activation_maps`.

    Raises:
        ValueError: The model has no such class, row or attention layer.
    """

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
        """Pictures -> their maps, one after the other.

        Raises:
            ValueError: A picture cannot be read, or its score does not depend on the layer; the message names the picture.
        """
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
