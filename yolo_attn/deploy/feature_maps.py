"""Feature maps inside an ONNX file against torch's: every row of the model YAML, and the branches of the head.

Raw outputs do not tell everything of an untrained model: the biases of its head outweigh what the image contributes. A feature map is
compared with its own largest value, however small that is, and the first one that differs names the place of the error.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.runtimes import open_onnx

RELATIVE = 1e-4  # largest difference of a feature map, as a share of its largest value


def open_feature_maps(network: BaseModel, file: Path) -> Callable[[torch.Tensor], dict[str, float]]:
    """Open an ONNX file so that its feature maps can be compared with those of its model: both float32, on the CPU.

    The last node of every row and branch is made an output of the graph. Passed over are rows of which the simplifier left no
    node or one of another shape, and rows that are no single feature map.

    Returns:
        A function of images (B, C, H, W). It returns {place: largest difference as a share of the largest value} in the
        order of the rows; a place is "row 9 (EMA)" or "row 25 (Detect), cv3.0.2 (Conv2d)".
    """
    modules = _compared_modules(network)
    model = onnx.load(str(file))
    outputs = {output.name for output in model.graph.output}
    names = {path: name for path, name in _last_outputs(model.graph, modules).items() if name not in outputs}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names.values()))
    order = [output.name for output in model.graph.output]
    run = open_onnx(model)

    def compare(images: torch.Tensor) -> dict[str, float]:
        given = dict(zip(order, run(images), strict=True))
        expected = _feature_maps({path: modules[path] for path in names}, network, images)
        return {
            _place(network, path): _relative(expected[path], given[names[path]])
            for path in modules
            if path in expected and expected[path].shape == given[names[path]].shape
        }

    return compare


def _compared_modules(network: BaseModel) -> dict[str, nn.Module]:
    """{path: module} of the rows, and of the layers of the head's branches, which stand in lists and so have numbers as names."""
    *rows, head = network.model
    modules = {f"model.{row}": layer for row, layer in enumerate(rows)}
    if isinstance(head, Detect):
        modules |= {
            f"model.{len(rows)}.{name}": layer
            for name, layer in head.named_modules()
            if name.rpartition(".")[2].isdigit() and not isinstance(layer, nn.Sequential | nn.ModuleList)
        }
    return modules


def _last_outputs(graph: onnx.GraphProto, modules: dict[str, nn.Module]) -> dict[str, str]:
    """{path of a module: name of the output of its last node}."""
    outputs = {}
    for node in graph.node:
        parts = _module_path(node.name).split(".")
        for length in range(len(parts), 1, -1):
            if (path := ".".join(parts[:length])) in modules:
                outputs[path] = node.output[0]
    return outputs


def _module_path(node: str) -> str:
    """ "/model.25/cv2.0/cv2.0.0/conv/Conv" -> "model.25.cv2.0.0.conv"; an element of a list repeats the names of its lists."""
    scopes = node.split("/")[1:-1]
    pairs = zip(scopes, [*scopes[1:], ""], strict=False)  # a node without a name has no scopes
    return ".".join(scope for scope, inner in pairs if not inner.startswith(f"{scope}."))


def _feature_maps(modules: dict[str, nn.Module], network: BaseModel, images: torch.Tensor) -> dict[str, np.ndarray]:
    """{path: output} of those modules whose output is one tensor."""
    outputs: dict[str, np.ndarray] = {}

    def store(path: str, _module: nn.Module, _input: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            outputs[path] = output.numpy().copy()  # an activation in place may change it

    with ExitStack() as hooks, torch.no_grad():
        for path, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(store, path)))
        network(images)
    return outputs


def _place(network: BaseModel, path: str) -> str:
    _, row, *inner = path.split(".")
    kind = type(network.model[int(row)]).__name__
    branch = f", {'.'.join(inner)} ({type(network.get_submodule(path)).__name__})" if inner else ""
    return f"row {row} ({kind}){branch}"


def _relative(expected: np.ndarray, given: np.ndarray) -> float:
    """The largest difference as a share of the largest value; infinite where a value is no number."""
    if not np.isfinite(given).all():
        return float("inf")
    return float(np.abs(expected - given).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-30))
