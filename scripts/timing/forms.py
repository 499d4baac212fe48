"""A layer as a module of one feature map, its passes as calls without arguments, and its ONNX graph alone in onnxruntime."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from scripts.timing.timer import CUDA
from yolo_attn.layers import is_multi_source

OPSET = 17


class FromOneMap(nn.Module):
    """A layer of several sources as a module of x: its sources are x, x at half its size, and a part of x."""

    def __init__(self, layer: type[nn.Module], channels: int):
        super().__init__()
        self.channels = channels
        self.layer = layer([channels, channels // 2, channels // 3])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer([x, x[:, ::2, ::2, ::2], x[:, : self.channels // 3]])


def of_one_map(layer: type[nn.Module], channels: int) -> nn.Module:
    """The layer with its default arguments, as a module of one feature map."""
    return FromOneMap(layer, channels) if is_multi_source(layer) else layer(channels)


def forward(module: Callable, x: torch.Tensor) -> Callable[[], object]:
    """A forward pass, as a call without arguments, as are all passes below."""
    return torch.inference_mode()(lambda: module(x))


def forward_backward(module: Callable, x: torch.Tensor) -> Callable[[], object]:
    def call() -> None:
        x.grad = None
        total(module(x)).backward()

    return call


def compiled(module: nn.Module, x: torch.Tensor, way: Callable = forward) -> Callable[[], object]:
    """A pass after `torch.compile`, in one graph."""
    call = way(torch.compile(module, fullgraph=True, dynamic=False), x)
    call()
    return call


def total(outputs: object) -> torch.Tensor:
    """The sum of all that a model in training returns."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float().sum()
    return sum(map(total, outputs.values() if isinstance(outputs, dict) else outputs))


def session(model: str | bytes, threads: int = 1):
    """An onnxruntime session of a file or of its content, on the GPU where both have one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] * CUDA + ["CPUExecutionProvider"]
    providers = [provider for provider in wanted if provider in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def onnx_graph(module: nn.Module, x: torch.Tensor, dynamic: bool = False, simplify: bool = True):
    """The module alone as an ONNX model at the size of x or of any size, simplified as the stock export does."""
    import onnx
    import onnxslim

    axes = {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axes, "y": axes} if dynamic else None}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder, "layer.onnx")
        torch.onnx.export(module.eval(), (x.detach(),), file, dynamo=False, opset_version=OPSET, **names)
        model = onnx.load(file)
    return onnxslim.slim(model) if simplify else model


def in_onnxruntime(module: nn.Module, x: torch.Tensor, threads: int = 1) -> Callable[[], list]:
    """The module alone in onnxruntime at the size of x."""
    running = session(onnx_graph(module, x).SerializeToString(), threads)
    values = {"x": x.detach().cpu().numpy()}
    return lambda: running.run(None, values)
