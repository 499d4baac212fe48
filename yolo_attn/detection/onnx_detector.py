"""ONNX files of detectors, with numpy, OpenCV and onnxruntime only."""

from pathlib import Path

import cv2
import numpy as np

from yolo_attn.detection import nms
from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, cores
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.session import ONNXRUNTIME_ERRORS, open_file


class OnnxDetector(Detector):
    """An ONNX file of a detector, ready to run on the CPU.

    Args:
        file: Made by `yolo-attn export`, or by the stock export.
        settings: None is DISPLAY.
        at_once: Calls that run at the same time. They share the cores: 1 answers a single call soonest, one for each core is
            fastest through a folder.
        batch: Images in one run of the network; a file of fixed size has its own number.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no detector that Ultralytics exported, or a setting does not fit it.
    """

    def __init__(self, file: str | Path, settings: DetectionSettings | None = None, at_once: int = 1, batch: int = 1):
        self._session, info = open_file(file, max(1, cores() // max(1, at_once)))
        self._input = self._session.get_inputs()[0].name
        self._dtype, self._read = info.dtype, nms.decode if info.needs_nms else nms.select
        super().__init__(Path(file), info, settings, at_once, batch)

    def _detect(self, padded: list[np.ndarray]) -> list[Detections]:
        missing = 0 if self.info.dynamic else self.batch - len(padded)  # a fixed batch is filled up
        blob = cv2.dnn.blobFromImages(padded + padded[-1:] * missing, swapRB=True)  # (B, 3, H, W) float32, RGB
        blob /= 255  # its own factor of 1 / 255 rounds otherwise, enough to change the order of nearly equal scores
        try:
            outputs = self._session.run(None, {self._input: blob.astype(self._dtype, copy=False)})[0]
        except ONNXRUNTIME_ERRORS as error:
            reason = str(error).splitlines()[0][:200]
            raise ValueError(f"{self.file}: input {blob.shape} does not run ({reason})") from error
        return [self._read(output, self.settings) for output in outputs[: len(padded)]]
