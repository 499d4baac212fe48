"""ONNX files of detectors, opened, checked and run with numpy, OpenCV and onnxruntime only."""

import ast
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from yolo_attn.detection import nms
from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, ModelInfo, cores, model_path
from yolo_attn.detection.presets import DetectionSettings

# The errors of onnxruntime have no common ancestor but Exception.
ONNXRUNTIME_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)


@dataclass(frozen=True)
class OnnxInfo(ModelInfo):
    """A detector as its ONNX file describes it."""

    dtype: type  # type of the input's numbers
    needs_nms: bool  # true if the output is (B, 4 + classes, A); else it is (B, N, 6), boxes that need no NMS


class OnnxDetector(Detector):
    """An ONNX file of a detector, ready to run on the CPU.

    Arguments and errors are those of `open_detector`; the file is one that `yolo-attn export` or the stock export made. Calls
    that run at once share the cores: 1 answers a single call soonest, one for each core is fastest through a folder.
    """

    def __init__(self, file: str | Path, settings: DetectionSettings | None = None, at_once: int = 1, batch: int = 1):
        self._session, info = open_file(file, max(1, cores() // max(1, at_once)))
        self._input = self._session.get_inputs()[0].name
        self._dtype, self._read = info.dtype, nms.decode if info.needs_nms else nms.select
        super().__init__(Path(file), info, settings, at_once, batch)

    def _detect(self, padded: list[np.ndarray], settings: DetectionSettings) -> list[Detections]:
        missing = 0 if self.info.dynamic else self.batch - len(padded)  # a fixed batch is filled up
        blob = cv2.dnn.blobFromImages(padded + padded[-1:] * missing, swapRB=True)  # (B, 3, H, W) float32, RGB
        blob /= 255  # its own factor of 1 / 255 rounds otherwise, enough to change the order of nearly equal scores
        try:
            outputs = self._session.run(None, {self._input: blob.astype(self._dtype, copy=False)})[0]
        except ONNXRUNTIME_ERRORS as error:
            reason = str(error).splitlines()[0][:200]
            raise ValueError(f"{self.file}: input {blob.shape} does not run ({reason})") from error
        return [self._read(output, settings) for output in outputs[: len(padded)]]


def open_file(file: str | Path, threads: int) -> tuple[onnxruntime.InferenceSession, OnnxInfo]:
    """Open an ONNX file of a detector that Ultralytics exported, with `threads` for one run; 0 is one for each core.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be opened, or is something else.
    """
    file = model_path(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except ONNXRUNTIME_ERRORS as error:
        raise ValueError(
            f"{file}: onnxruntime {onnxruntime.__version__} cannot open it ({str(error).splitlines()[0][:200]}); it is damaged,"
            " cut off, or no ONNX file. Export or copy it again"
        ) from error
    return session, _described(file, session)


def _described(file: Path, session: onnxruntime.InferenceSession) -> OnnxInfo:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    about = session.get_modelmeta().custom_metadata_map
    missing = [key for key in ("names", "imgsz", "stride", "task") if key not in about]
    if missing:
        raise ValueError(
            f"{file}: has no {', '.join(missing)} in its metadata; it is a valid ONNX file, but not one that Ultralytics exported"
        )
    if about["task"] != "detect":
        raise ValueError(f"{file}: is a model for {about['task']}; give one for detect")
    try:
        names, (height, width), stride = (ast.literal_eval(about[key]) for key in ("names", "imgsz", "stride"))
        names = {int(index): str(name) for index, name in names.items()}
        height, width, stride, batch = int(height), int(width), int(stride), int(about.get("batch", 1))
        inner_nms = ast.literal_eval(about.get("args", "{}")).get("nms")
        end2end = ast.literal_eval(about.get("end2end", "False"))
    except (ValueError, SyntaxError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{file}: its metadata cannot be read ({error}); export it again") from error
    if min(height, width, stride, batch) < 1:
        raise ValueError(
            f"{file}: its metadata says imgsz {height} x {width}, stride {stride}, batch {batch}; all are at least 1."
            " Export it again"
        )
    shape, output = inputs[0].shape, outputs[0].shape
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16}.get(inputs[0].type)
    if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or dtype is None or len(outputs) != 1 or len(output) != 3:
        entries = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in (*inputs, *outputs))
        raise ValueError(f"{file}: expected one input of shape (B, 3, H, W) and one output, found {entries}")
    dynamic = not all(isinstance(side, int) for side in shape)
    if not dynamic and tuple(shape) != (batch, 3, height, width):
        raise ValueError(
            f"{file}: takes {shape[0]} images of {shape[2]} x {shape[3]}, its metadata says {batch} of {height} x {width};"
            " export it again"
        )
    needs_nms = not (end2end or inner_nms or output[2] == 6)
    known = output[1] - 4 if needs_nms and isinstance(output[1], int) else len(names)
    if not names or set(names) != set(range(known)):
        raise ValueError(f"{file}: scores {known} classes, its metadata names {len(names)}; export it again")
    return OnnxInfo(names, (height, width), stride, batch, dynamic, dtype, needs_nms)
