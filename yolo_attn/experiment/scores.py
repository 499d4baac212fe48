"""The accuracy of a trained detector: by Ultralytics' protocol, and on VisDrone by the official one too, from the same detection files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.data.dataset import YOLODataset
from ultralytics.utils import ops

from yolo_attn.detection.presets import PROTOCOL
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.experiment.records import Score
from yolo_attn.plugin.metrics import THRESHOLDS, average_precision, match_predictions
from yolo_attn.visdrone.annotations import NAMES, read
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes


@dataclass(frozen=True)
class Scores:
    """Numbers in percent; None where there is nothing to average."""

    overall: dict[
        str, Score
    ]  # `mAP50` and `mAP50-95` of Ultralytics; `AP` and `AP50` of VisDrone where it is annotated
    per_class: dict[str, dict[str, Score]]  # of `mAP50-95` and `AP`


def official_images(data: Mapping[str, Any]) -> Path | None:
    """The folder of validation images that have official annotations beside them; None if this is no VisDrone data set."""
    if not isinstance(data["val"], str) or not set(NAMES) <= {str(name) for name in data["names"].values()}:
        return None
    listed = Path(data["val"])
    folders = {listed}
    if listed.suffix == ".txt":
        lines = listed.read_text(encoding="utf-8").split("\n")
        folders = {(listed.parent / line.strip()).parent for line in lines if line.strip()}
    annotated = [folder.resolve() for folder in folders if any(_annotations(folder).glob("*.txt"))]
    return annotated[0] if len(annotated) == len(folders) == 1 else None


def score(weights: Path, data: Mapping[str, Any], out: Path, imgsz: int, batch: int, device: str | None) -> Scores:
    """A checkpoint -> its scores on the validation images of a data YAML as `check_det_dataset` gives it.

    On VisDrone both protocols read the detection files written to `out`/detections. On another data set there is Ultralytics'
    protocol only, by its own `val`.
    """
    images = official_images(data)
    if images is None:
        place = {"project": str(out), "name": "val", "exist_ok": True, "plots": False}
        box = YOLO(str(weights)).val(data=data["yaml_file"], imgsz=imgsz, batch=batch, device=device, **place).box
        average = np.asarray(box.all_ap).reshape(-1, len(THRESHOLDS))
        return _percentages(average, box.ap_class_index, data["names"])
    detections = out / "detections"
    predict_visdrone(weights, images, detections, replace(PROTOCOL, imgsz=imgsz), batch=batch, device=device)
    scores = ultralytics_scores(detections, data)
    result = evaluate(_annotations(images), detections, read_sizes(images))
    official = {key: _percent(result.official[key]) for key in ("AP", "AP50")}
    by_class = {str(row["name"]): _percent(float(row["AP"])) for row in result.per_class}
    return Scores(overall=scores.overall | official, per_class=scores.per_class | {"AP": by_class})


def ultralytics_scores(detections: Path, data: Mapping[str, Any]) -> Scores:
    """Official detection files -> mAP50 and mAP50-95 by Ultralytics' functions: overall, and the latter by class.

    Matching, precision and recall are those of its validator, on its labels. `yolo val` on the same checkpoint gives somewhat lower
    numbers: it does not clip boxes to the image, pads images more, and takes 300 boxes of an image where here it is 500. The
    classes of the data YAML may stand in another order than VisDrone's.
    """
    index_of = {str(name): index for index, name in data["names"].items()}
    class_index = np.array([index_of[name] for name in NAMES])
    hits, scores, classes, true_classes = [], [], [], []
    for label in YOLODataset(img_path=data["val"], data=dict(data), task="detect", augment=False).labels:
        height, width = label["shape"]
        file = detections / f"{Path(label['im_file']).stem}.txt"
        rows = torch.from_numpy(read(file) if file.is_file() else np.empty((0, 8))).float()
        predicted = torch.from_numpy(class_index[rows[:, 5].int().numpy() - 1])
        boxes = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
        truth = torch.from_numpy(label["cls"][:, 0])
        targets = ops.xywh2xyxy(torch.from_numpy(label["bboxes"])) * torch.tensor([width, height, width, height])
        hits.append(match_predictions(boxes, predicted, targets, truth))
        scores.append(rows[:, 4].numpy())
        classes.append(predicted.numpy())
        true_classes.append(truth.numpy())
    average, kinds = average_precision(*map(np.concatenate, (hits, scores, classes, true_classes)))
    return _percentages(average, kinds, data["names"])


def _percentages(average: np.ndarray, classes: np.ndarray, names: Mapping[int, str]) -> Scores:
    """Average precision (classes with ground truth, 10 thresholds) -> scores, None for a class without ground truth."""
    mean50, mean = (100 * average[:, 0].mean(), 100 * average.mean()) if len(average) else (math.nan, math.nan)
    by_class = {names[int(index)]: _percent(100 * row.mean()) for index, row in zip(classes, average, strict=True)}
    return Scores(
        overall={"mAP50": _percent(mean50), "mAP50-95": _percent(mean)},
        per_class={"mAP50-95": {name: by_class.get(name) for name in names.values()}},
    )


def _annotations(images: Path) -> Path:
    return images.parent / "annotations"


def _percent(value: float) -> Score:
    return None if math.isnan(value) else float(value)
