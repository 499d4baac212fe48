"""Opens an ONNX file in onnxruntime, checks it, and reads its metadata."""

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from yolo_attn.detection.detector import ModelInfo, model_path

# The errors of onnxruntime have no common ancestor but Exception.
ONNXRUNTIME_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)


@dataclass(frozen=True)
class OnnxInfo(ModelInfo):
    """A detector as its ONNX file describes it.

    Attributes:
        dtype: Type of the input's numbers.
        needs_nms: True if the output is (B, 4 + classes, A); else it is (B, N, 6), boxes that need no NMS.
    """

    dtype: type
    needs_nms: bool


def open_file(file: str | Path, threads: int) -> tuple[onnxruntime.InferenceSession, OnnxInfo]:
    """Open an ONNX file of a detector that Ultralytics exported.

    Args:
        file: The ONNX file.
        threads: Threads of one run; 0 is one for each core.

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
    size = height, width
    return OnnxInfo(
        names=names, imgsz=size, stride=stride, batch=batch, dynamic=dynamic, dtype=dtype, needs_nms=needs_nms
    )
