"""The accuracy of a trained detector: both protocols, from one set of detection files where the data set is VisDrone's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.data.dataset import YOLODataset
from ultralytics.engine.validator import BaseValidator
from ultralytics.utils import ops
from ultralytics.utils.metrics import ap_per_class, box_iou

from yolo_attn.detection.presets import PROTOCOL
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.visdrone.annotations import NAMES, read
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes

THRESHOLDS = torch.linspace(0.5, 0.95, 10)  # of Ultralytics' validator


@dataclass(frozen=True)
class Scores:
    """Numbers in percent; None where there is nothing to average.

    Attributes:
        overall: `mAP50` and `mAP50-95` as Ultralytics computes them; `AP` and `AP50` of VisDrone where the data set has its annotations.
        per_class: The same by class, of `mAP50-95` and `AP`.
    """

    overall: dict[str, float | None]
    per_class: dict[str, dict[str, float | None]]


def official_images(data: Mapping) -> Path | None:
    """The folder of validation images that have official annotations beside them; None if this is no VisDrone data set.

    Args:
        data: A data YAML as Ultralytics' `check_det_dataset` gives it.
    """
    if not isinstance(data["val"], str) or not set(NAMES) <= {str(name) for name in data["names"].values()}:
        return None
    listed = Path(data["val"])
    folders = {listed}
    if listed.suffix == ".txt":
        lines = listed.read_text(encoding="utf-8").split("\n")
        folders = {(listed.parent / line.strip()).parent for line in lines if line.strip()}
    annotated = [folder.resolve() for folder in folders if any(_annotations(folder).glob("*.txt"))]
    return annotated[0] if len(annotated) == len(folders) == 1 else None


def score(
    weights: Path, data: Mapping, data_file: str, out: Path, imgsz: int, batch: int, device: str | None
) -> Scores:
    """A checkpoint -> its scores on the validation images.

    On VisDrone both protocols read the detection files written to `out`/detections. On another data set there is Ultralytics'
    protocol only, by its own `val`.

    Args:
        weights: The checkpoint.
        data: The data YAML as `check_det_dataset` gives it.
        data_file: Its path.
        out: Folder of the run.
        imgsz: Pixels of the longer side.
        batch: Images at once.
        device: As Ultralytics calls it; None is the first GPU, or the CPU where there is none.
    """
    images = official_images(data)
    if images is None:
        place = {"project": str(out), "name": "val", "exist_ok": True, "plots": False}
        box = YOLO(str(weights)).val(data=data_file, imgsz=imgsz, batch=batch, device=device, **place).box
        return Scores(*_ultralytics(box.all_ap, box.ap_class_index, data["names"]))
    detections = out / "detections"
    settings = replace(PROTOCOL, imgsz=imgsz)
    predict_visdrone(weights, images, detections, settings, batch=batch, device=device)
    coco_like, by_class = ultralytics_scores(detections, data)
    result = evaluate(_annotations(images), detections, read_sizes(images))
    official = {key: _percent(result.official[key]) for key in ("AP", "AP50")}
    return Scores(
        coco_like | official, by_class | {"AP": {row["name"]: _percent(row["AP"]) for row in result.per_class}}
    )


def ultralytics_scores(detections: Path, data: Mapping) -> tuple[dict, dict]:
    """Official detection files -> mAP50 and mAP50-95 by Ultralytics' functions: overall, and the latter by class.

    Matching, precision and recall are those of its validator, on its labels. `yolo val` on the same checkpoint gives somewhat lower
    numbers: it does not clip boxes to the image, pads images more, and takes 300 boxes of an image where here it is 500.

    Args:
        detections: Folder of detection files.
        data: The data YAML as `check_det_dataset` gives it.
    """
    kinds = {str(name): kind for kind, name in data["names"].items()}
    class_of = np.array([kinds[name] for name in NAMES])
    holder, hits, found, truths = SimpleNamespace(iouv=THRESHOLDS), [], [], []
    for label in YOLODataset(img_path=data["val"], data=dict(data), task="detect", augment=False).labels:
        height, width = label["shape"]
        file = detections / f"{Path(label['im_file']).stem}.txt"
        rows = torch.from_numpy(read(file) if file.is_file() else np.empty((0, 8))).float()
        kind = torch.from_numpy(class_of[rows[:, 5].int().numpy() - 1])
        boxes = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
        truth = torch.from_numpy(label["cls"][:, 0])
        targets = ops.xywh2xyxy(torch.from_numpy(label["bboxes"])) * torch.tensor([width, height, width, height])
        iou = box_iou(targets, boxes)
        hits.append(BaseValidator.match_predictions(holder, kind, truth, iou).numpy())
        found.append(np.stack([rows[:, 4].numpy(), kind.numpy()], 1))
        truths.append(truth.numpy())
    found = np.concatenate(found)
    results = ap_per_class(np.concatenate(hits), found[:, 0], found[:, 1], np.concatenate(truths))
    return _ultralytics(results[5], results[6], data["names"])


def _ultralytics(ap: np.ndarray, classes: np.ndarray, names: Mapping[int, str]) -> tuple[dict, dict]:
    """AP (classes with ground truth, 10 thresholds) -> overall and by class, None for a class without ground truth."""
    ap = np.asarray(ap).reshape(-1, len(THRESHOLDS))
    overall = {"mAP50": _percent(100 * ap[:, 0].mean()), "mAP50-95": _percent(100 * ap.mean())} if len(ap) else {}
    by_class = {names[int(kind)]: _percent(100 * row.mean()) for kind, row in zip(classes, ap, strict=True)}
    return overall or {"mAP50": None, "mAP50-95": None}, {
        "mAP50-95": {name: by_class.get(name) for name in names.values()}
    }


def _annotations(images: Path) -> Path:
    return images.parent / "annotations"


def _percent(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
