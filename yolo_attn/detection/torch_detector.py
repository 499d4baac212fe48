"""Checkpoints, and exported files of every format that Ultralytics opens, on any device that torch knows."""

import math
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401  # Ultralytics' NMS uses it only if it is imported
from ultralytics import YOLO
from ultralytics.models.yolo.detect import DetectionPredictor

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, ModelInfo, model_path
from yolo_attn.detection.presets import DetectionSettings

try:
    from ultralytics.utils.nms import non_max_suppression
except ImportError:  # up to Ultralytics 8.3
    from ultralytics.utils.ops import non_max_suppression

DEFAULT_SIZE = 640  # of a checkpoint that does not say at which size it was trained


class TorchDetector(Detector):
    """A detection model in torch, with Ultralytics' own backend and NMS.

    Arguments and errors are those of `open_detector`. Of calls that run at once the network takes one after the other, and the
    rest of their work overlaps.
    """

    def __init__(
        self,
        file: str | Path,
        settings: DetectionSettings | None = None,
        at_once: int = 1,
        batch: int = 8,
        device: str | None = None,
    ):
        file = model_path(file)
        self._network, info = _opened(file, device)
        self._lock = Lock()
        super().__init__(file, info, settings, at_once, batch)

    @torch.inference_mode()
    def _detect(self, padded: list[np.ndarray], settings: DetectionSettings) -> list[Detections]:
        missing = 0 if self.info.dynamic else self.batch - len(padded)  # a fixed batch is filled up
        stacked = torch.from_numpy(np.stack(padded + padded[-1:] * missing))
        classes = None if settings.classes is None else [*settings.classes]
        with self._lock:
            images = stacked.to(self._network.device).permute(0, 3, 1, 2).flip(1)  # BGR to RGB
            images = (images.half() if self._network.fp16 else images.float()).contiguous() / 255
            # As `val` calls it, but without its time limit, which leaves the last images of a slow batch empty. Models
            # without NMS are recognised by the shape of their output.
            rows = non_max_suppression(
                self._network(images),
                settings.conf,
                settings.iou,
                classes,
                multi_label=settings.multi_label,
                max_det=settings.max_det,
                max_time_img=math.inf,
            )
            arrays = [entry[:, :6].float().cpu().numpy() for entry in rows[: len(padded)]]
        return [Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)) for rows in arrays]


def _opened(file: Path, device: str | None) -> tuple[Any, ModelInfo]:
    """Open a file through Ultralytics' predictor, which knows for every version how its backend is called."""
    if file.suffix.lower() in (".yaml", ".yml"):
        raise ValueError(f"{file}: is a YAML file, which holds no weights; give a checkpoint or an exported file")
    try:
        model = YOLO(str(file), task="detect")
        fixed = {"mode": "predict", "task": "detect", "save": False, "verbose": False, "device": device}
        predictor = DetectionPredictor(overrides=fixed)
        predictor.setup_model(model.model, verbose=False)
    except Exception as error:  # unpickling, and the readers of some twenty formats, raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"{file}: Ultralytics cannot open it ({reason}); give a whole checkpoint or exported file"
        ) from error
    network: Any = predictor.model
    exported = isinstance(model.model, str)
    task = getattr(network, "task", None) if exported else model.task
    if task not in (None, "detect"):
        raise ValueError(f"{file}: is a model for {task}; give one for detect")
    if not isinstance(model, YOLO):
        raise ValueError(f"{file}: is a model of {type(model).__name__}, whose outputs are read otherwise; give a YOLO")
    size: Any = (getattr(network, "imgsz", None) if exported else model.overrides.get("imgsz")) or DEFAULT_SIZE
    height, width = (size, size) if isinstance(size, int) else size
    return network, ModelInfo(
        names={int(index): str(name) for index, name in network.names.items()},
        imgsz=(int(height), int(width)),
        stride=int(network.stride),
        batch=int(getattr(network, "batch", 1)),
        dynamic=not exported or bool(getattr(network, "dynamic", False)),
    )
