"""Reading of all gates while a network runs: batch by batch, on whatever evaluates the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_attn.analysis.attention_layers import (
    attention_layers,
    change,
    first_source,
    no_gate,
    read_gate,
    replaced_forward,
)
from yolo_attn.analysis.gate_statistics import Values
from yolo_attn.analysis.objects import Objects, RegionSums


@dataclass(frozen=True)
class Picture:
    """A picture as the network saw it, and what each layer did to it."""

    name: str
    image: np.ndarray  # (H, W, 3) RGB, 0 to 255
    objects: Objects | None
    maps: dict[str, np.ndarray] = field(default_factory=dict)  # {path: mean over channels (h, w)}


class Recording:
    """A context in which the gates of a network's attention layers are counted. Call `begin` with each batch before it is run.

    Args:
        network: The network.
        keep: Index and file name of an image -> whether its feature maps are kept as a picture.

    Raises:
        ValueError: The network has no attention layer.
    """

    def __init__(self, network: nn.Module, keep: Callable[[int, str], bool] = lambda index, name: False):
        self.layers = attention_layers(network)
        self.reasons = {path: no_gate(layer) for path, layer in self.layers.items()}
        self.values = {path: Values() for path in self.layers}
        self.regions = {path: RegionSums() for path in self.layers}
        self.left_out: dict[str, str] = {}  # {path: why nothing can be shown}
        self.pictures: list[Picture] = []
        self.images = 0
        self._keep = keep
        self._batch: _Batch | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Recording:
        for path, layer in self.layers.items():
            self._stack.enter_context(replaced_forward(layer, self._forward(path, layer)))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def begin(self, batch: Mapping[str, Any]) -> None:
        """Say what is run next.

        Args:
            batch: "img" (B, 3, H, W), values 0 to 1. With "bboxes" (N, 4) or (N, 5), "cls" (N, 1) and "batch_idx" (N,), objects; with "cls"
                (B,) alone, the class of each image. "im_file" names the images, "ratio_pad" gives Ultralytics' padding.
        """
        self._batch = _Batch(batch)
        for index in range(self._batch.images):
            name = self._batch.names[index] or str(self.images + index)
            if self._keep(self.images + index, name):
                self._batch.kept[index] = self._batch.picture(index, name)
        self.pictures += self._batch.kept.values()
        self.images += self._batch.images

    def _forward(self, path: str, layer: nn.Module) -> Callable[[Any], torch.Tensor]:
        usual = type(layer).forward

        def forward(inputs: Any) -> torch.Tensor:
            if self._batch is None:  # a warm-up
                return usual(layer, inputs)
            x = first_source(inputs)
            if self.reasons[path]:
                out = usual(layer, inputs)
                if out.shape != x.shape:
                    self.left_out[path] = f"{self.reasons[path]} and changes the size of the feature map"
                    return out
                values = change(x, out)
            else:
                values, out = read_gate(layer, inputs, check=not self.values[path].sizes)
            try:
                self.values[path].add(values.float(), (x.shape[2], x.shape[3]))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
            self._count_objects(path, values, x.shape[2], x.shape[3])
            return out

        return forward

    def _count_objects(self, path: str, values: torch.Tensor, height: int, width: int) -> None:
        batch = self._batch
        assert batch is not None
        if values.shape[2:].numel() > 1:
            pixels = values.mean(1).float().cpu().numpy()
        else:  # the same at every pixel
            pixels = values.mean((1, 2, 3)).float().cpu().numpy()[:, None, None]
        for index, picture in batch.kept.items():
            picture.maps[path] = np.broadcast_to(pixels[index], (height, width)).copy()
        if batch.classes is not None:
            for value, kind in zip(pixels.mean((1, 2)), batch.classes, strict=True):
                self.regions[path].add_class(float(value), int(kind))
        elif batch.objects and pixels[0].size > 1:
            for value, objects, masks in zip(pixels, batch.objects, batch.masks(height, width), strict=True):
                self.regions[path].add(value, objects, masks)


class _Batch:
    """A batch with its labels as numpy arrays, and the masks of its objects by size of the feature map."""

    def __init__(self, batch: Mapping[str, Any]):
        self._img = batch["img"]
        self.images = len(self._img)
        self.names = [Path(name).name for name in batch.get("im_file", [""] * self.images)]
        self.kept: dict[int, Picture] = {}
        self.classes: np.ndarray | None = None
        self.objects: list[Objects] = []
        size = (self._img.shape[2], self._img.shape[3])
        if "bboxes" in batch:
            owner, kinds = batch["batch_idx"].cpu().numpy(), batch["cls"].cpu().numpy().reshape(-1)
            boxes = batch["bboxes"].cpu().numpy()
            paddings = [pad for _, pad in batch.get("ratio_pad", [(None, (0, 0))] * self.images)]
            self.objects = [
                Objects(boxes[owner == index], kinds[owner == index], size, padding)
                for index, padding in enumerate(paddings)
            ]
        elif "cls" in batch:
            self.classes = batch["cls"].cpu().numpy().reshape(-1)
        self._masks: dict[tuple[int, int], list] = {}

    def masks(self, height: int, width: int) -> list:
        """The masks of the objects of every image; layers at the same size share them."""
        if (height, width) not in self._masks:
            self._masks[height, width] = [objects.masks(height, width) for objects in self.objects]
        return self._masks[height, width]

    def picture(self, index: int, name: str) -> Picture:
        image = (self._img[index].float().clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
        return Picture(name, image, self.objects[index] if self.objects else None)
