"""A trained detector and a split of a data set, evaluated by Ultralytics' own `val`: detection, segmentation, pose, oriented boxes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.data.utils import IMG_FORMATS, check_det_dataset

from yolo_attn.analysis.detection_scores import DetectionScores
from yolo_attn.analysis.official_scores import best, frame, has_official_annotations, official_ap
from yolo_attn.plugin.metrics import THRESHOLDS
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame

SPLITS = ("train", "val", "test")
TASKS = ("detect", "segment", "pose", "obb")
# Ultralytics' names for hits (N, 10), scores (N,) and classes (N,), (M,).
KEYS = ("tp", "conf", "pred_cls", "target_cls")
MAX_DET = 300  # boxes of an image that `val` looks at
HITS = {"segment": "tp_m", "pose": "tp_p"}  # of masks and of key points; of boxes for the others


@dataclass(frozen=True)
class TrainedDetector:
    """A checkpoint, and how it is evaluated."""

    model: YOLO
    data: Path
    split: str
    images: int  # in the split
    imgsz: int
    arguments: Mapping[str, Any]  # of `val`
    official: bool = False  # whether the images have VisDrone's annotations

    @classmethod
    def of(
        cls, model: YOLO, data: Path, split: str = "val", imgsz: int | None = None, **arguments: Any
    ) -> TrainedDetector:
        """Take an open checkpoint and a data YAML.

        Args:
            model: A model for one of TASKS.
            data: The data YAML; its classes must be those of the model.
            split: train, val or test.
            imgsz: Longer side of an image in pixels; None is that of the training.
            arguments: Further arguments of `val`, such as batch and device.

        Raises:
            FileNotFoundError: The split has no image, or the data YAML is not there.
            ValueError: The data YAML has no such split, or other classes.
        """
        if data.suffix.lower() not in (".yaml", ".yml"):
            raise ValueError(f"{data}: a model for {model.task} needs a data YAML, found something else")
        known = check_det_dataset(str(data))
        listed = known.get(split)
        if not listed:
            raise ValueError(f"{data}: has no split {split}; it has {', '.join(s for s in SPLITS if known.get(s))}")
        images = [*_images(listed)]
        if not images:
            raise FileNotFoundError(f"{data}: there is no image in its split {split}, {listed}")
        if known["names"] != model.names:
            raise ValueError(
                f"{data}: its classes are {_named(known['names'])}; those of the model are {_named(model.names)}"
            )
        official = model.task == "detect" and has_official_annotations(images, model.names)
        imgsz = imgsz or model.overrides.get("imgsz", 640)
        return cls(model, data, split, len(images), imgsz, arguments, official)

    @property
    def network(self) -> torch.nn.Module:
        return self.model.model

    @property
    def names(self) -> dict[int, str]:
        return self.model.names

    def evaluate(self, begin: Callable[[Mapping[str, Any]], None] = lambda batch: None) -> DetectionScores:
        """Run `val`.

        Args:
            begin: Called with each batch before the network is.
        """
        images: list[tuple[np.ndarray, ...]] = []
        frames: list[Frame] = []
        official, names = self.official, self.names
        keys = (HITS.get(self.model.task, "tp"), *KEYS[1:])

        class Validator(self.model._smart_load("validator")):  # type: ignore[misc]
            """The validator of the task, which hands out its batches and what it counted in each image."""

            def preprocess(self, batch: Any) -> Any:
                batch = super().preprocess(batch)
                begin(batch)
                return batch

            def update_metrics(self, preds: Any, batch: Any) -> None:
                if official:
                    frames.extend(frame(predicted, batch, index, names) for index, predicted in enumerate(preds))
                    preds = [best(predicted, MAX_DET) for predicted in preds]
                super().update_metrics(preds, batch)
                stats = getattr(self.metrics, "stats", None) or self.stats  # where older versions keep them
                rows = [stats[key][-new:] if (new := len(stats["conf"]) - self.counted) else [] for key in keys]
                self.counted = len(stats["conf"])
                images.extend(_by_image([*zip(*rows, strict=True)], preds, batch))

            counted = 0

        with tempfile.TemporaryDirectory() as folder:
            place = {"project": folder, "name": "val", "exist_ok": True, "plots": False, "verbose": False}
            arguments = {"data": str(self.data), "split": self.split, "imgsz": self.imgsz, **self.arguments, **place}
            most = {"max_det": MOST_ROWS} if official else {}  # the protocol looks at more of them
            self.model.val(validator=Validator, **{**arguments, **most})
        return DetectionScores(tuple(images), official_ap(frames) if official else None)


def _by_image(rows: Sequence[Any], preds: Any, batch: Mapping[str, Any]) -> Iterator[tuple[np.ndarray, ...]]:
    """What the validator counted in the images of a batch -> the same, one entry for every image.

    Older versions leave out an image without predictions and objects.
    """
    predictions = preds[0] if isinstance(preds, tuple) else preds  # older versions give masks beside the boxes
    owner = batch["batch_idx"].cpu()
    every, row = len(rows) == len(predictions), iter(rows)
    for index, predicted in enumerate(predictions):
        number = len(predicted["cls"] if isinstance(predicted, dict) else predicted)
        if every or number or (owner == index).any():
            yield tuple(np.asarray(value.cpu() if isinstance(value, torch.Tensor) else value) for value in next(row))
        else:
            yield np.zeros((0, len(THRESHOLDS)), bool), np.zeros(0), np.zeros(0), np.zeros(0)


def _images(listed: str | list[str]) -> Iterator[Path]:
    """The images of a split: folders, or text files that list images."""
    for place in map(Path, [listed] if isinstance(listed, str) else listed):
        if place.is_dir():
            yield from (path for path in place.rglob("*") if path.suffix[1:].lower() in IMG_FORMATS)
        elif place.is_file():
            yield from (Path(line) for line in place.read_text(encoding="utf-8").splitlines() if line.strip())


def _named(names: Mapping[int, str]) -> str:
    text = ", ".join(names.values())
    return text if len(text) < 100 else f"{text[:100]}..."
