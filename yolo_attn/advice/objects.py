"""Reads the labels of a split as Ultralytics does: the same files, the same cache, the same checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset

from yolo_attn.plugin.files import find_data

WANTED = "object sizes need the data YAML of a labelled detection, segment, obb or pose set"


@dataclass(frozen=True, eq=False)
class Objects:
    """N labelled objects on P pictures, in pixels of the pictures as they are stored, EXIF rotation applied."""

    pictures: np.ndarray  # (P, 2) width and height
    picture: np.ndarray  # (N,) number of the picture
    boxes: np.ndarray  # (N, 2) width and height of the box around the object
    sides: np.ndarray  # (N,) root of the box's area; of a rotated box the rotated one's
    unreadable: int  # pictures that Ultralytics leaves out, for the picture or its labels


def read_objects(data: str | Path, split: str = "train") -> Objects:
    """Read a data YAML, found and downloaded as Ultralytics does, of a detection, segment, obb or pose set.

    Ultralytics' cache of the labels is used, and written where it can be, as in a training. Pictures are opened for
    their size only.

    Args:
        data: Path or name of the YAML.
        split: train, val or test.

    Raises:
        FileNotFoundError: There is no such YAML, or the split has no picture.
        ValueError: This is no data YAML, the split cannot be read, or it has no boxes.
    """
    if Path(data).is_dir():
        raise ValueError(f"advise: {data} is a folder, as a classifier's set is; {WANTED}")
    file = find_data(data)
    _check(file)
    try:
        description = check_det_dataset(str(file))
    except (SyntaxError, TypeError, RuntimeError) as error:  # what Ultralytics raises for a YAML that says too little
        raise ValueError(f"advise: {file}: {str(error).strip()}") from error
    source = description.get(split)
    if not source:
        raise ValueError(f"advise: {file} names no {split} split; name one of its splits by --split")
    labels, unreadable = _labels(file, split, source, description)
    pictures = np.array([label["shape"][::-1] for label in labels], dtype=float)
    counts = [len(label["cls"]) for label in labels]
    if not sum(counts):
        raise ValueError(
            f"advise: {file}: no boxes in its {split} split (pictures: {len(labels):,}), as in a classifier's set; {WANTED}"
        )
    boxes = np.concatenate([label["bboxes"][:, 2:] * size for label, size in zip(labels, pictures, strict=True)])
    return Objects(
        pictures=pictures,
        picture=np.repeat(np.arange(len(labels)), counts),
        boxes=boxes,
        sides=np.sqrt(_rotated_areas(labels, pictures) if _are_rotated(labels, counts) else boxes.prod(1)),
        unreadable=unreadable,
    )


def _check(file: Path) -> None:
    """Refuse what is no data YAML of a set with boxes, before Ultralytics downloads anything."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"advise: {file} is no YAML file in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"advise: {file} is no data YAML: it holds no keys")
    if not (content.get("names") or content.get("nc")):
        raise ValueError(f"advise: {file} is no data YAML: it has no names of classes")
    if "map" in content:  # ImageNet.yaml, 144 GB; alone among Ultralytics' YAMLs it maps codes to classes
        raise ValueError(f"advise: {file} describes a classifier's set; {WANTED}")


class _CountedDataset(YOLODataset):
    """Ultralytics' data set, which drops the pictures that it cannot read, and the number of those it looked at."""

    looked_at = 0

    def get_img_files(self, img_path: str | list[str]) -> list[str]:
        files = super().get_img_files(img_path)
        self.looked_at = len(files)
        return files


def _labels(file: Path, split: str, source: str | list[str], data: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the labels of a split, and the number of its pictures that have none for a fault."""
    # "detect" reads segments and rotated boxes, and boxes around them.
    task = "pose" if data.get("kpt_shape") else "detect"
    try:
        dataset = _CountedDataset(img_path=source, data=data, task=task, augment=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"advise: {file}: no picture in its {split} split, {source}") from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"advise: {file}: its {split} split cannot be read: {reason}") from error
    return dataset.labels, dataset.looked_at - len(dataset.labels)


def _are_rotated(labels: list[dict[str, Any]], counts: list[int]) -> bool:
    """Return whether every object is given by four corners, as in an obb set."""
    segments = [segment for label in labels for segment in label["segments"]]
    return len(segments) == sum(counts) and all(len(segment) == 4 for segment in segments)


def _rotated_areas(labels: list[dict[str, Any]], pictures: np.ndarray) -> np.ndarray:
    """Areas (N,) in square pixels, by the shoelace formula."""
    corners = np.concatenate(
        [np.stack(label["segments"]) * size for label, size in zip(labels, pictures, strict=True) if label["segments"]]
    )
    following = np.roll(corners, -1, axis=1)
    twice = (corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]).sum(1)
    return np.abs(twice) / 2
