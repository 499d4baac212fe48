"""What the attention layers of a trained network multiply by, over a whole set of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics import YOLO

from yolo_attn.analysis.evaluation import Evaluation, Scores, evaluation
from yolo_attn.analysis.gate_statistics import Distribution
from yolo_attn.analysis.objects import Regions
from yolo_attn.analysis.recording import Picture, Recording


@dataclass(frozen=True)
class LayerGates:
    """What one layer does.

    Attributes:
        layer: Path of the layer in the network.
        kind: Its name in LAYERS.
        reason: Why the layer has no gate, so that the values are (output - input) / root mean square of the input; "" for gates.
        size: Height and width of its feature map in the first batch.
    """

    layer: str
    kind: str
    reason: str
    size: tuple[int, int]
    values: Distribution
    regions: Regions


@dataclass(frozen=True)
class Gates:
    """What the attention layers of a network do.

    Attributes:
        images: Number of images.
        layers: In the order of the network.
        left_out: {path: why nothing can be shown of a layer}.
        pictures: The chosen pictures, with the map of every layer.
    """

    images: int
    layers: tuple[LayerGates, ...]
    left_out: Mapping[str, str]
    pictures: tuple[Picture, ...] = ()

    def first_of_stages(self) -> Gates:
        """The same with the first layer at each size of the feature map only: EMCA's Figure 6 shows each stage's first module."""
        first = {layer.size: layer for layer in reversed(self.layers)}
        layers = tuple(layer for layer in self.layers if first[layer.size] is layer)
        return Gates(self.images, layers, self.left_out, self.pictures)


def gates(
    model: str | Path | YOLO | nn.Module,
    images: str | Path | Iterable[Mapping[str, Any]],
    show: int | Sequence[str] = 0,
    **options: Any,
) -> Gates:
    """A trained model and a set of images -> what the model's attention layers multiply by.

    Example: `gates("best.pt", "VisDrone.yaml", split="test")`, or `gates(network, [{"img": torch.rand(1, 3, 640, 640)}])`.

    Args:
        model: A checkpoint of Ultralytics, or with batches a network as well.
        images: A data YAML, for a classifier a folder with a folder per class; or batches as `Recording.begin` reads them, which are run
            in evaluation mode.
        show: Images whose maps are kept in `Gates.pictures`: a number of them, evenly spread over a data set, or their file names.
        options: Of `evaluation`, if images are a data set: split, imgsz, batch, workers, device.

    Raises:
        FileNotFoundError: A file is not there, or there is no image.
        ValueError: The model has no attention layer, or does not fit the images, or has values that are not finite.
    """
    if isinstance(images, str | Path):
        return measure(evaluation(model, images, **options), show).gates
    yolo = YOLO(model) if isinstance(model, str | Path) else model
    network = yolo.model if isinstance(yolo, YOLO) else yolo
    network.eval()
    with torch.inference_mode(), Recording(network, chosen(show)) as recording:
        for batch in images:
            recording.begin(batch)
            network(batch["img"])
    return summary(recording, getattr(network, "names", {}))


@dataclass(frozen=True)
class Measurement:
    """The gates of a model over a set of images, what they were computed from, and the model's scores."""

    gates: Gates
    recording: Recording
    scores: Scores


def measure(trained: Evaluation, show: int | Sequence[str] = 0) -> Measurement:
    """Run a model over its images and read the gates; `show` as for `gates`.

    Raises:
        ValueError: The model has no attention layer, or none that shows anything, or there is no image of a name in `show`.
    """
    with Recording(trained.network, chosen(show, trained.images)) as recording:
        scores = trained.evaluate(recording.begin)
    measured = summary(recording, trained.names)
    missing = [] if isinstance(show, int) else sorted({*show} - {picture.name for picture in measured.pictures})
    if missing:
        raise ValueError(f"{', '.join(missing)}: not among the {measured.images} images; write names as in 0000001.jpg")
    return Measurement(measured, recording, scores)


def chosen(show: int | Sequence[str], images: int = 0) -> Callable[[int, str], bool]:
    """`show` as for `gates`, and the number of images, 0 if unknown -> whether to keep an image of that index and file name."""
    if not isinstance(show, int):
        return lambda index, name: name in show
    step = max(images / show, 1) if show else 1
    wanted = {int(step * (place + 0.5)) if images else place for place in range(show)}
    return lambda index, name: index in wanted


def summary(recording: Recording, names: Mapping[int, str]) -> Gates:
    """A finished recording and the names of the classes -> its numbers.

    Raises:
        ValueError: Nothing was recorded.
    """
    if not recording.images:
        raise ValueError("there is no image to read gates from")
    layers = []
    for path, layer in recording.layers.items():
        values = recording.values[path]
        if values.sizes:
            numbers = values.distribution(), recording.regions[path].regions(names)
            layers.append(LayerGates(path, type(layer).__name__, recording.reasons[path], values.sizes[0], *numbers))
        else:
            recording.left_out.setdefault(path, "was not run")
    if not layers:
        reasons = "; ".join(f"{path} {reason}" for path, reason in recording.left_out.items())
        raise ValueError(f"no attention layer shows anything: {reasons}")
    return Gates(recording.images, tuple(layers), recording.left_out, tuple(recording.pictures))
