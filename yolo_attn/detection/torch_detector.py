"""Checkpoints, and exported files of every format that Ultralytics opens, on any device that torch knows."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401  # Ultralytics' NMS uses it only if it is imported
from ultralytics import YOLO
from ultralytics.models.yolo.detect import DetectionPredictor

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, ModelInfo, cores, model_path
from yolo_attn.detection.presets import DetectionSettings

try:
    from ultralytics.utils.nms import non_max_suppression
except ImportError:  # up to Ultralytics 8.3
    from ultralytics.utils.ops import non_max_suppression

GPU_BATCH = 8  # by default; on a CPU, whose caches do not hold more, one image at a time is fastest
DEFAULT_SIZE = 640  # of a checkpoint that does not say at which size it was trained


class TorchDetector(Detector):
    """A detection model in torch, with Ultralytics' own backend and NMS.

    Arguments and errors are those of `open_detector`. On a CPU, batches that run at once share the cores, each in a network of its
    own, with common weights: torch's threads wait for each other at every operator, and Ultralytics leaves a core free. Elsewhere,
    and in exported files, the one network takes one batch after the other, and the rest of the work overlaps.
    """

    def __init__(
        self,
        file: str | Path,
        settings: DetectionSettings | None = None,
        at_once: int = 1,
        batch: int | None = None,
        device: str | None = None,
    ):
        file = model_path(file)
        network, info, exported = _opened(file, device)
        on_cpu = network.device.type == "cpu"
        if batch is None:
            batch = 1 if on_cpu else GPU_BATCH
        super().__init__(file, info, settings, at_once, batch)
        count = at_once if on_cpu and not exported else 1
        self._threads = max(1, cores() // count) if count > 1 else None  # of each network; None leaves torch's setting
        self._networks: SimpleQueue[Any] = SimpleQueue()  # the idle ones
        for entry in (network, *(_with_same_weights(network) for _ in range(count - 1))):
            self._networks.put(entry)

    @torch.inference_mode()
    def _detect(self, padded: list[np.ndarray], settings: DetectionSettings) -> list[Detections]:
        missing = 0 if self.info.dynamic else self.batch - len(padded)  # a fixed batch is filled up
        stacked = torch.from_numpy(np.stack(padded + padded[-1:] * missing))
        classes = None if settings.classes is None else [*settings.classes]
        with self._idle_network() as network:
            images = stacked.to(network.device).permute(0, 3, 1, 2).flip(1)  # BGR to RGB
            images = (images.half() if network.fp16 else images.float()).contiguous() / 255
            # As `val` calls it, but without its time limit, which leaves the last images of a slow batch empty. Models
            # without NMS are recognised by the shape of their output.
            rows = non_max_suppression(
                network(images),
                settings.conf,
                settings.iou,
                classes,
                multi_label=settings.multi_label,
                max_det=settings.max_det,
                max_time_img=math.inf,
            )
            arrays = [entry[:, :6].float().cpu().numpy() for entry in rows[: len(padded)]]
        return [Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)) for rows in arrays]

    @contextmanager
    def _idle_network(self) -> Iterator[Any]:
        """Give a network that no other thread runs; wait for one if there is none."""
        if self._threads is not None:
            _use_threads(self._threads)
        network = self._networks.get()
        try:
            yield network
        finally:
            self._networks.put(network)


def _opened(file: Path, device: str | None) -> tuple[Any, ModelInfo, bool]:
    """Open a file through Ultralytics' predictor, which knows for every version how its backend is called.

    Returns the backend, its description, and whether the file is an exported one.
    """
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
    info = ModelInfo(
        names={int(index): str(name) for index, name in network.names.items()},
        imgsz=(int(height), int(width)),
        stride=int(network.stride),
        batch=int(getattr(network, "batch", 1)),
        dynamic=not exported or bool(getattr(network, "dynamic", False)),
    )
    return network, info, exported


def _with_same_weights(network: Any) -> Any:
    """Copy a backend, but for the weights: heads keep the anchors of the last shape, so no two threads may run one."""
    tensors = [*network.model.parameters(), *network.model.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def _use_threads(count: int) -> None:
    """Let torch's operators take `count` threads where this thread calls them.

    torch.set_num_threads also sets what threads start with from then on, which a second, short thread sets back.
    """
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
        restoring = Thread(target=torch.set_num_threads, args=[before])
        restoring.start()
        restoring.join()
