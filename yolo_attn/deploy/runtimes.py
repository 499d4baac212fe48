"""Exported files opened by onnxruntime, OpenVINO or Ultralytics' own backend: images in, all raw outputs out, on the CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from ultralytics.nn.autobackend import AutoBackend

from yolo_attn.deploy.float32 import PRECISION
from yolo_attn.deploy.outputs import tensors
from yolo_attn.detection.onnx_detector import ONNXRUNTIME_ERRORS

Run = Callable[[torch.Tensor], list[np.ndarray]]
RUN_ERRORS: tuple[type[Exception], ...] = (RuntimeError, *ONNXRUNTIME_ERRORS)


def opened(file: str | Path, threads: int = 0) -> Run:
    """Open an exported file as a function from images (B, C, H, W) in 0..1 to its raw outputs in float32.

    Args:
        file: The file or folder that an export gave.
        threads: For onnxruntime and OpenVINO, 0 for their own choice; the backends of Ultralytics choose themselves.

    Raises:
        RuntimeError: The runtime cannot open the file; onnxruntime raises another of `RUN_ERRORS`.
    """
    file = Path(file)
    if file.suffix == ".onnx":
        return open_onnx(file, threads)
    if file.name.endswith("_openvino_model"):
        return open_openvino(file, threads)
    backend = AutoBackend(str(file), device=torch.device("cpu"), verbose=False)

    def run(images: torch.Tensor) -> list[np.ndarray]:
        try:
            return [output.float().numpy() for output in tensors(backend(images.clone()))]
        except Exception as error:  # TensorFlow's and Paddle's are of no common class
            raise RuntimeError(first_line(error)) from error

    return run


def open_onnx(model: Path | onnx.ModelProto, threads: int = 0) -> Run:
    """Open an ONNX file, or a model in memory, by onnxruntime. The outputs come in the order of the graph.

    A model in memory is run node by node as it stands: onnxruntime's faster layouts fail on some outputs amid a graph.
    """
    options = onnxruntime.SessionOptions()
    content: str | bytes = str(model)
    if isinstance(model, onnx.ModelProto):
        content = model.SerializeToString()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    dtype = np.float16 if entry.type == "tensor(float16)" else np.float32
    return lambda images: [
        output.astype(np.float32) for output in session.run(None, {entry.name: images.numpy().astype(dtype)})
    ]


def open_openvino(folder: Path, threads: int = 0) -> Run:
    """Open an OpenVINO folder in float32, in which it computes only if told to; 0 threads are its own choice."""
    import openvino

    (graph,) = folder.glob("*.xml")
    settings = {PRECISION: "f32", "INFERENCE_NUM_THREADS": threads}
    network = openvino.Core().compile_model(str(graph), "CPU", settings)
    return lambda images: [output.astype(np.float32) for output in network(images.numpy()).values()]


def first_line(error: Exception) -> str:
    """Name an error of a runtime, a converter or a damaged file in one short line."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0][:200]}"
