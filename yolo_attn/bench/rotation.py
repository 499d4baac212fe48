"""How well a trained classifier knows turned pictures: EMCA's Table 9 for any Ultralytics classifier.

`Classifier` and `Pictures`, which read a checkpoint and a folder as Ultralytics' validation does, serve scales.py as well.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch
import ultralytics
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.data.utils import IMG_FORMATS
from ultralytics.nn.autobackend import check_class_names
from ultralytics.utils.patches import imread
from ultralytics.utils.torch_utils import select_device

from yolo_attn.visdrone.splits import put

ANGLES = (0, 90, 180, 270)
SPLITS = ("val", "validation", "valid", "test")  # the first that a folder has is measured, as by `yolo val`
TOP = 5


@dataclass(frozen=True)
class Accuracy:
    """Of one rotation, in percent.

    Attributes:
        angle: Degrees, counter-clockwise.
        images: How many were classified.
        top1: Share whose class has the highest score.
        top5: Share whose class is among the five highest; None with five classes or fewer.
    """

    angle: int
    images: int
    top1: float
    top5: float | None


@dataclass(frozen=True)
class Classifier:
    """A trained network on its device, in evaluation mode.

    Attributes:
        network: images (B, 3, imgsz, imgsz), normalised as Ultralytics does it -> scores (B, classes), alone or first of several.
        names: Of the classes, in the order of the scores.
        imgsz: Side of an image in pixels.
    """

    network: nn.Module
    names: tuple[str, ...]
    imgsz: int

    @classmethod
    def load(cls, file: Path, imgsz: int | None = None, device: str | None = None) -> Classifier:
        """A checkpoint of Ultralytics -> the classifier in it.

        Args:
            file: The checkpoint.
            imgsz: Side of an image; None is that of the training.
            device: As Ultralytics calls it; None is the first GPU, or the CPU where there is none.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no checkpoint, or not of a classifier.
        """
        if not file.is_file():
            raise FileNotFoundError(f"{file}: not there; give a checkpoint such as best.pt of `yolo classify train`")
        if file.suffix != ".pt":
            raise ValueError(f"{file}: is no checkpoint; give the .pt file of `yolo classify train`")
        model = YOLO(str(file))
        if model.task != "classify":
            raise ValueError(f"{file}: is a model for {model.task}; give one for classify, of `yolo classify train`")
        network = model.model.float().eval().to(select_device(device or "", verbose=False))
        names = check_class_names(model.names)
        return cls(network, tuple(names[index] for index in sorted(names)), imgsz or model.overrides.get("imgsz", 224))

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) on any device -> scores (B, classes)."""
        scores = self.network(images.to(next(self.network.parameters()).device))
        return scores[0] if isinstance(scores, list | tuple) else scores


class Pictures(ClassificationDataset):
    """A folder with a folder per class -> {"img": (3, imgsz, imgsz), "cls": class of the model}, in order of path.

    Reading, scaling and cropping are those of `yolo val`. Ultralytics drops what it cannot read and, in some versions, takes
    classes by their place instead of by name; here both are errors. Nothing is written beside the images.

    Args:
        folder: Of the class folders, or of a data set whose `val`, `validation`, `valid` or `test` has them.
        names: The classes of the model.
        imgsz: Side of an image in pixels.

    Raises:
        FileNotFoundError: There is no image in a class folder.
        ValueError: An image cannot be read, or a class is none of the model's.
    """

    def __init__(self, folder: Path, names: Iterable[str], imgsz: int):
        folder = next((folder / split for split in SPLITS if (folder / split).is_dir()), folder)
        found = folder.glob("*/**/*") if folder.is_dir() else ()
        if not any(path.suffix[1:].lower() in IMG_FORMATS for path in found):
            raise FileNotFoundError(f"{folder}: there is no image; give a folder with one folder of images per class")
        super().__init__(str(folder), get_cfg(overrides={"imgsz": imgsz}))
        place = {name: index for index, name in enumerate(names)}
        named = dict(zip(self.base.classes, check_class_names(self.base.classes).values(), strict=True))
        present = [Path(sample[0]).relative_to(folder).parts[0] for sample in self.samples]
        unknown = sorted({name for name in present if named[name] not in place})
        if unknown:
            raise ValueError(
                f"{folder}: the model knows no class {', '.join(unknown)[:200]}; its classes are {', '.join(place)[:200]}"
            )
        rows = zip(self.samples, present, strict=True)
        self.samples = [[file, place[named[name]], *rest] for (file, _, *rest), name in rows]

    def verify_images(self):
        """Called by Ultralytics at the start. Its own form drops images, rewrites JPEGs without an end, and keeps a cache."""
        files = [sample[0] for sample in self.samples]
        with ThreadPool() as pool:
            for file, readable in zip(files, pool.imap(_readable, files), strict=True):
                if not readable:
                    raise ValueError(f"{file}: is no image that can be read; remove or replace it")
        return self.samples


def _readable(file: str) -> bool:
    return Path(file).stat().st_size > 0 and imread(file) is not None


def loader(classifier: Classifier, data: Path, batch: int = 16, workers: int = 0) -> DataLoader:
    """The images of a folder for a classifier, in batches; see `Pictures`."""
    return DataLoader(Pictures(data, classifier.names, classifier.imgsz), batch, num_workers=workers)


def accuracies(
    classifier: Callable[[torch.Tensor], torch.Tensor], batches: Iterable[dict[str, torch.Tensor]]
) -> list[Accuracy]:
    """Images and classes -> the accuracy at each of ANGLES.

    The square that the network sees is turned, after scaling and cropping: by multiples of 90 degrees, no pixel is
    lost, made up or interpolated.

    Args:
        classifier: images (B, 3, S, S) -> scores (B, classes).
        batches: Of "img" (B, 3, S, S) and "cls" (B,).
    """
    hits = dict.fromkeys(ANGLES, 0)
    near = dict.fromkeys(ANGLES, 0)
    images = classes = 0
    for batch in batches:
        images += len(batch["cls"])
        for angle in ANGLES:
            scores = classifier(torch.rot90(batch["img"], angle // 90, (2, 3)))
            classes = scores.shape[1]
            right = scores.topk(min(TOP, classes)).indices.cpu() == batch["cls"][:, None]
            hits[angle] += int(right[:, 0].sum())
            near[angle] += int(right.sum())
    return [
        Accuracy(angle, images, 100 * hits[angle] / images, 100 * near[angle] / images if classes > TOP else None)
        for angle in ANGLES
    ]


def write(out: Path, model: Path, data: Path, imgsz: int, found: list[Accuracy]) -> None:
    """Put rotation.json, rotation.csv and rotation.png into a folder.

    Args:
        out: The folder; made if it is not there.
        model, data, imgsz: What was measured, for the record.
        found: The accuracies.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in found]
    versions = {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    record = {"model": str(model), "data": str(data), "imgsz": imgsz, **versions, "rotations": rows}
    put(out / "rotation.json", (json.dumps(record, indent=1) + "\n").encode())
    text, picture = io.StringIO(), io.BytesIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    put(out / "rotation.csv", text.getvalue().encode())
    plot(found, model.name).savefig(picture, dpi=150)
    put(out / "rotation.png", picture.getvalue())


def plot(found: list[Accuracy], title: str) -> Figure:
    """A bar for the top-1 accuracy at each angle, and beside it one for top-5 where there is one."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    kinds = {"top1": ("top-1", "#0072b2"), "top5": ("top-5", "#a6cee3")}
    shown = [kind for kind in kinds if getattr(found[0], kind) is not None]
    for index, kind in enumerate(shown):
        label, colour = kinds[kind]
        places = [place + (index - (len(shown) - 1) / 2) * 0.4 for place in range(len(found))]
        bars = axes.bar(places, [getattr(one, kind) for one in found], 0.38, label=label, color=colour)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(found)), [f"{one.angle}°" for one in found])
    axes.set(xlabel="rotation, counter-clockwise", ylabel="accuracy, %", ylim=(0, 105))
    axes.set_title(f"{title}: {found[0].images:,} images", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
