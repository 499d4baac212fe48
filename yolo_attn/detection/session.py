"""An exported detector as onnxruntime sees it: opened, checked, and described by its own metadata."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

# What onnxruntime raises; the classes have no common ancestor but Exception.
FAILURES = tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))


@dataclass(frozen=True)
class Detector:
    """What a file says of itself.

    Attributes:
        names: The classes.
        imgsz: Height and width of its images; of the export, where any size fits.
        stride: Of which height and width are multiples.
        batch: Images at once; of the export, where any number fits.
        dynamic: Whether any number of images, and any height and width, fit.
        dtype: Of its input.
        final: Whether its output is (B, N, 6), boxes that need no NMS.
    """

    names: Mapping[int, str]
    imgsz: tuple[int, int]
    stride: int
    batch: int
    dynamic: bool
    dtype: type
    final: bool


def open_file(file: str | Path, threads: int) -> tuple[onnxruntime.InferenceSession, Detector]:
    """Open an ONNX file of a detector that Ultralytics exported.

    Args:
        file: Its path.
        threads: For the operators of one run; 0 is one for each core.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be opened, or is something else.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not there; give an ONNX file, made by `yolo-attn export MODEL`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except FAILURES as error:
        raise ValueError(
            f"{file}: onnxruntime {onnxruntime.__version__} cannot open it ({str(error).splitlines()[0][:200]}); it is damaged,"
            " cut off, or no ONNX file. Export or copy it again"
        ) from error
    return session, _described(file, session)


def _described(file: Path, session: onnxruntime.InferenceSession) -> Detector:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    about = session.get_modelmeta().custom_metadata_map
    missing = [key for key in ("names", "imgsz", "stride", "task") if key not in about]
    if missing:
        raise ValueError(
            f"{file}: has no {', '.join(missing)} in its metadata; it is a valid ONNX file, but not one that Ultralytics exported"
        )
    if about["task"] != "detect":
        raise ValueError(f"{file}: is a model for {about['task']}; this predictor knows detect only")
    try:
        read = {key: ast.literal_eval(about[key]) for key in ("names", "imgsz", "stride")}
        batch, end2end = int(about.get("batch", 1)), ast.literal_eval(about.get("end2end", "False"))
        inner_nms = ast.literal_eval(about.get("args", "{}")).get("nms")
        names = {int(kind): str(name) for kind, name in read["names"].items()}
        height, width = map(int, read["imgsz"])
        stride = int(read["stride"])
    except (ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: its metadata cannot be read ({error}); export it again") from error
    shape = inputs[0].shape
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16}.get(inputs[0].type)
    if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or dtype is None or len(outputs) != 1:
        found = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in (*inputs, *outputs))
        raise ValueError(f"{file}: expected one input of shape (B, 3, H, W) and one output, found {found}")
    dynamic = not all(isinstance(side, int) for side in shape)
    final = bool(end2end or inner_nms) or outputs[0].shape[-1] == 6
    return Detector(names, (height, width), stride, batch, dynamic, dtype, final)
