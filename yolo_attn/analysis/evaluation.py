"""A trained model and the images that it is analysed on, whatever its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn
from torch.utils.data import DataLoader
from ultralytics import YOLO
from ultralytics.utils import TQDM

from yolo_attn.analysis import trained_detector
from yolo_attn.analysis.checkpoint import opened
from yolo_attn.analysis.trained_classifier import ClassificationScores, TrainedClassifier, loader
from yolo_attn.analysis.trained_detector import TrainedDetector

Begin = Callable[[Mapping[str, Any]], None]


class Scores(Protocol):
    """What a model found in each image of a set."""

    def __len__(self) -> int: ...

    def scores(self, index: np.ndarray) -> Mapping[str, float]:
        """{metric: score in percent} over the images at `index`, which may repeat."""


class Evaluation(Protocol):
    """A model and a set of images."""

    @property
    def network(self) -> nn.Module: ...

    @property
    def names(self) -> Mapping[int, str]: ...

    @property
    def imgsz(self) -> int: ...

    @property
    def images(self) -> int: ...

    def evaluate(self, begin: Begin = lambda batch: None) -> Scores:
        """Run the model over all images; `begin` is called with each batch before."""


@dataclass(frozen=True)
class ClassifierEvaluation:
    """A classifier and a folder of images."""

    classifier: TrainedClassifier
    batches: DataLoader

    @property
    def network(self) -> nn.Module:
        return self.classifier.network

    @property
    def names(self) -> Mapping[int, str]:
        return dict(enumerate(self.classifier.names))

    @property
    def imgsz(self) -> int:
        return self.classifier.imgsz

    @property
    def images(self) -> int:
        return len(self.batches.dataset)  # type: ignore[arg-type]

    def evaluate(self, begin: Begin = lambda batch: None) -> ClassificationScores:
        """As `Evaluation` says."""
        right = []
        for batch in TQDM(self.batches, desc="gates"):
            begin(batch)
            right.append((self.classifier(batch["img"]).argmax(1).cpu() == batch["cls"]).numpy())
        return ClassificationScores(np.concatenate(right))


def evaluation(
    model: Path | str | YOLO,
    data: Path | str,
    split: str = "val",
    imgsz: int | None = None,
    batch: int = 16,
    workers: int = 0,
    device: str | None = None,
) -> Evaluation:
    """Open a checkpoint and a set of images.

    Args:
        model: The checkpoint, of any task but semantic segmentation and depth.
        data: A data YAML; for a classifier a folder with a folder per class, or of a data set that has `val` or `test`.
        split: train, val or test; val of a classifier's folder is what `yolo val` takes.
        imgsz: Longer side of an image in pixels; None is that of the training.
        batch: Images in a batch.
        workers: Processes that read images; 0 reads in the main process.
        device: "cpu", "0", ...; None is the first GPU, or the CPU where there is none.

    Raises:
        FileNotFoundError: A file is not there, or there is no image.
        ValueError: The model is no such checkpoint, or its classes are not those of the data.
    """
    tasks = ("classify", *trained_detector.TASKS)
    yolo = model if isinstance(model, YOLO) else opened(Path(model), "yolo train", tasks)
    if yolo.task == "classify":
        classifier = TrainedClassifier.of(yolo, imgsz, device)
        folder = Path(data) if split == "val" else Path(data, split)
        return ClassifierEvaluation(classifier, loader(classifier, folder, batch, workers))
    return TrainedDetector.of(yolo, Path(data), split, imgsz, batch=batch, workers=workers, device=device)
