"""A trained classifier and a folder of images, read as Ultralytics' validation reads them, but strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.data.utils import IMG_FORMATS
from ultralytics.nn.autobackend import check_class_names
from ultralytics.utils.patches import imread
from ultralytics.utils.torch_utils import select_device

from yolo_attn.analysis.checkpoint import opened

SPLITS = ("val", "validation", "valid", "test")  # the first that a folder has is measured, as by `yolo val`


@dataclass(frozen=True)
class ClassificationScores:
    """For each image whether the class with the highest score is right."""

    right: np.ndarray

    def __len__(self) -> int:
        return len(self.right)

    def scores(self, index: np.ndarray) -> dict[str, float]:
        """Accuracy in percent over the images at `index`, which may repeat."""
        return {"top-1": 100 * float(self.right[index].mean())}


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained network on its device, in evaluation mode."""

    # images (B, 3, S, S), normalised as Ultralytics does it -> scores (B, classes), or a tuple led by them
    network: nn.Module
    names: tuple[str, ...]  # of the classes, in the order of the scores
    imgsz: int  # side of an image in pixels

    @classmethod
    def load(cls, file: Path, imgsz: int | None = None, device: str | None = None) -> TrainedClassifier:
        """Open a checkpoint of Ultralytics.

        Args:
            file: The checkpoint.
            imgsz: Side of an image in pixels; None is that of the training.
            device: "cpu", "0", ...; None is the first GPU, or the CPU where there is none.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no checkpoint, or not the checkpoint of a classifier.
        """
        return cls.of(opened(file, "yolo classify train", ("classify",)), imgsz, device)

    @classmethod
    def of(cls, model: YOLO, imgsz: int | None = None, device: str | None = None) -> TrainedClassifier:
        """Take an open checkpoint; the rest as in `load`."""
        network = model.model.float().eval().to(select_device(device or "", verbose=False))
        names = tuple(name for _, name in sorted(check_class_names(model.names).items()))
        return cls(network=network, names=names, imgsz=imgsz or model.overrides.get("imgsz", 224))

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) on any device -> scores (B, classes)."""
        scores = self.network(images.to(next(self.network.parameters()).device))
        return scores[0] if isinstance(scores, list | tuple) else scores


class ClassFolders(ClassificationDataset):
    """A folder with a folder per class -> {"img": (3, imgsz, imgsz), "cls": class of the model, "im_file": path}, in order of path.

    Reading, scaling and cropping are those of `yolo val`. Ultralytics drops what it cannot read and, in some versions, takes
    classes by their place instead of by name; here both are errors. Nothing is written beside the images.

    Args:
        folder: Folder of the class folders, or of a data set whose `val`, `validation`, `valid` or `test` has them.
        names: Class names of the model.

    Raises:
        FileNotFoundError: There is no image in a class folder.
        ValueError: An image cannot be read, or a class is none of the model's.
    """

    samples: list[list[Any]]  # path, class, and what Ultralytics adds

    def __init__(self, folder: Path, names: Iterable[str], imgsz: int):
        folder = next((folder / split for split in SPLITS if (folder / split).is_dir()), folder)
        files = folder.glob("*/**/*") if folder.is_dir() else ()
        if not any(path.suffix[1:].lower() in IMG_FORMATS for path in files):
            raise FileNotFoundError(f"{folder}: there is no image; give a folder with one folder of images per class")
        super().__init__(str(folder), get_cfg(overrides={"imgsz": imgsz}))
        index_of = {name: index for index, name in enumerate(names)}
        class_of = dict(zip(self.base.classes, check_class_names(self.base.classes).values(), strict=True))
        folders = [Path(sample[0]).relative_to(folder).parts[0] for sample in self.samples]
        if unknown := sorted({name for name in folders if class_of[name] not in index_of}):
            known = ", ".join(index_of)[:200]
            raise ValueError(f"{folder}: the model knows no class {', '.join(unknown)[:200]}; its classes are {known}")
        for sample, name in zip(self.samples, folders, strict=True):
            sample[1] = index_of[class_of[name]]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**super().__getitem__(index), "im_file": str(self.samples[index][0])}

    def verify_images(self) -> list[list[Any]]:
        """Check that every image can be read; Ultralytics calls this at the start.

        Its own form drops images, rewrites JPEGs without an end, and keeps a cache.
        """
        with ThreadPool() as pool:
            list(pool.imap(_require_readable, [sample[0] for sample in self.samples]))
        return self.samples


def _require_readable(file: str) -> None:
    if Path(file).stat().st_size == 0 or imread(file) is None:
        raise ValueError(f"{file}: is no image that can be read; remove or replace it")


def loader(classifier: TrainedClassifier, data: Path, batch: int = 16, workers: int = 0) -> DataLoader:
    """Load the images of a folder for a classifier, in batches; see `ClassFolders`."""
    return DataLoader(ClassFolders(data, classifier.names, classifier.imgsz), batch, num_workers=workers)
