"""The accuracy of a trained detector: by Ultralytics' protocol, and on VisDrone by the official one too, from the same detection files."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.utils import ops

from yolo_attn.detection.detections import VISDRONE_DECIMALS
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import PROTOCOL, DetectionSettings
from yolo_attn.detection.sources import UnreadableError, pictures
from yolo_attn.detection.stream import detect_stream
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.experiment.records import Score
from yolo_attn.experiment.validation_set import labels, official_images
from yolo_attn.plugin.metrics import THRESHOLDS, average_precision, match_predictions
from yolo_attn.visdrone.annotations import NAMES, read, write
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes


@dataclass(frozen=True)
class Scores:
    """Numbers in percent; None where there is nothing to average."""

    # `mAP50` and `mAP50-95` of Ultralytics; `AP` and `AP50` of VisDrone where it is annotated
    overall: dict[str, Score]
    per_class: dict[str, dict[str, Score]]  # of `mAP50-95` and `AP`


def score(
    weights: Path,
    data: Mapping[str, Any],
    out: Path,
    imgsz: int,
    batch: int,
    device: str | None,
    detections: str = "detections",
) -> Scores:
    """A checkpoint -> its scores on the validation images of a data YAML as `check_det_dataset` gives it.

    On VisDrone both protocols read the detection files written to the folder `detections` of `out`. On another data set there is
    Ultralytics' protocol only, by its own `val`, and the detection files are for the statistics.
    """
    images, settings = official_images(data), replace(PROTOCOL, imgsz=imgsz)
    if images is None:
        place = {"project": str(out), "name": "val", "exist_ok": True, "plots": False}
        box = YOLO(str(weights)).val(data=data["yaml_file"], imgsz=imgsz, batch=batch, device=device, **place).box
        store_detections(weights, data, out / detections, settings, batch, device)
        average = np.asarray(box.all_ap).reshape(-1, len(THRESHOLDS))
        return _percentages(average, box.ap_class_index, data["names"])
    predict_visdrone(weights, images, out / detections, settings, batch=batch, device=device)
    scores = ultralytics_scores(out / detections, data)
    result = evaluate(_annotations(images), out / detections, read_sizes(images))
    official = {key: _percent(result.official[key]) for key in ("AP", "AP50")}
    by_class = {str(row["name"]): _percent(float(row["AP"])) for row in result.per_class}
    return Scores(overall=scores.overall | official, per_class=scores.per_class | {"AP": by_class})


def store_detections(
    weights: Path, data: Mapping[str, Any], out: Path, settings: DetectionSettings, batch: int, device: str | None
) -> None:
    """Write a file in VisDrone's format for each validation picture, category = class + 1.

    None is written, which the statistics report, where a picture has other than three channels or no detection file of its own.
    """
    paths = [Path(label["im_file"]) for label in labels(data)]
    if data.get("channels", 3) != 3 or len({path.stem.casefold() for path in paths}) < len(paths):
        return
    # Labels are for the picture as its EXIF note rotates it.
    detector = open_detector(weights, replace(settings, apply_exif=True), batch=batch, device=device)
    categories = {index: index + 1 for index in detector.names}
    out.mkdir(parents=True, exist_ok=True)
    for path, result in zip(paths, detect_stream(detector, pictures(paths)), strict=True):
        if isinstance(result, UnreadableError):  # of a kind that Ultralytics reads and OpenCV does not
            shutil.rmtree(out)
            return
        write(out / f"{path.stem}.txt", result.detections.as_visdrone(categories), VISDRONE_DECIMALS)


def ultralytics_scores(detections: Path, data: Mapping[str, Any]) -> Scores:
    """Official detection files -> mAP50 and mAP50-95 by Ultralytics' functions: overall, and the latter by class.

    Matching, precision and recall are those of its validator, on its labels. `yolo val` on the same checkpoint gives somewhat lower
    numbers: it does not clip boxes to the image, pads images more, and takes 300 boxes of an image where here it is 500. The
    classes of the data YAML may stand in another order than VisDrone's.
    """
    index_of = {str(name): index for index, name in data["names"].items()}
    class_index = np.array([index_of[name] for name in NAMES])
    hits, scores, classes, true_classes = [], [], [], []
    for label in labels(data):
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
