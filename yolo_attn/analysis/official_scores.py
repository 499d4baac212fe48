"""Predictions of Ultralytics' `val` as the official VisDrone protocol reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.utils.ops import scale_boxes

from yolo_attn.detection.detections import VISDRONE_DECIMALS, Detections
from yolo_attn.statistics.outcomes import outcomes, pooled
from yolo_attn.statistics.weighted_ap import WeightedAP
from yolo_attn.visdrone.annotations import NAMES, categories_of, read
from yolo_attn.visdrone.evaluation.submission import Frame


def annotation_of(image: Path) -> Path:
    """The official annotation file of an image: annotations/ stands beside images/."""
    return image.parent.parent / "annotations" / f"{image.stem}.txt"


def has_official_annotations(images: Iterable[Path], names: Mapping[int, str]) -> bool:
    """Whether every image has an official annotation file, and the names of the classes are VisDrone's."""
    return len(categories_of(names)) == len(NAMES) and all(annotation_of(image).is_file() for image in images)


def frame(predicted: Any, batch: Mapping[str, Any], index: int, names: Mapping[int, str]) -> Frame:
    """What `val` predicts in one image of a batch -> the image as the protocol reads it.

    Args:
        predicted: Boxes, scores and classes behind NMS: by name, or the columns of a tensor in older versions.
        batch: Of the validator.
        index: Of the image in it.
        names: Of the model's classes.
    """
    if isinstance(predicted, dict):
        boxes, scores, classes = predicted["bboxes"], predicted["conf"], predicted["cls"]
    else:
        boxes, scores, classes = predicted[:, :4], predicted[:, 4], predicted[:, 5]
    height, width = batch["ori_shape"][index]
    size, place = batch["img"][index].shape[1:], batch["ratio_pad"][index]
    scaled = scale_boxes(size, boxes.clone(), (height, width), ratio_pad=place)
    found = Detections(*(values.cpu().numpy() for values in (scaled, scores, classes.to(torch.int64))))
    path = Path(batch["im_file"][index])
    rows = np.round(found.as_visdrone(categories_of(names)), VISDRONE_DECIMALS)
    return Frame(path.stem, int(width), int(height), read(annotation_of(path)), rows)


def best(predicted: Any, number: int) -> Any:
    """The first boxes of an image, which are the best ones; a tensor has a row for each, as has each entry of a dictionary."""
    if isinstance(predicted, dict):
        return {key: values[:number] for key, values in predicted.items()}
    return predicted[:number]


def official_ap(frames: Sequence[Frame]) -> WeightedAP:
    """Match the detections of every image by the protocol, once; what comes back scores any choice of the images."""
    return WeightedAP(outcomes(pooled(frames, official=True), len(frames), len(NAMES), official=True))
