"""Feature maps inside an ONNX file against torch's: every row of the model YAML, and the branches of the head.

Raw outputs do not tell everything of an untrained model: the biases of its head outweigh what the image contributes. A feature map is
compared with its own largest value, however small that is, and the first one that differs names the place of the error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.runtimes import open_onnx

RELATIVE = 1e-4  # largest difference of a feature map, as a share of its largest value


@dataclass(frozen=True)
class MapDifference:
    """One feature map.

    Attributes:
        place: "row 9 (EMA)", "row 25 (Detect), cv3.0.2 (Conv2d)".
        relative: Largest difference, as a share of the largest value.
    """

    place: str
    relative: float

    def __str__(self) -> str:
        by = f"by {self.relative:.1e} of its largest value, allowed are {RELATIVE:.0e}"
        return f"{self.place} is the first whose feature map differs, {by}"


def open_feature_maps(network: BaseModel, file: Path) -> Callable[[torch.Tensor], list[MapDifference]]:
    """Open an ONNX file so that its feature maps can be compared with those of its model, in the order of the rows.

    The last node of every row and branch is made an output of the graph. Passed over are rows of which the simplifier left no
    node or one of another shape, and rows that are no single feature map.

    Args:
        network: The torch model, in eval mode, float32 on the CPU.
        file: The ONNX file, in float32.
    """
    modules = _compared_modules(network)
    model = onnx.load(str(file))
    outputs = {output.name for output in model.graph.output}
    names = {path: name for path, name in _last_outputs(model.graph, modules).items() if name not in outputs}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names.values()))
    order = [output.name for output in model.graph.output]
    run = open_onnx(model)

    def compare(images: torch.Tensor) -> list[MapDifference]:
        given = dict(zip(order, run(images), strict=True))
        expected = _feature_maps(network, {path: modules[path] for path in names}, images)
        pairs = {path: (expected[path], given[name]) for path, name in names.items() if path in expected}
        return [
            MapDifference(_place(network, path), _relative(*pairs[path]))
            for path in modules
            if path in pairs and pairs[path][0].shape == pairs[path][1].shape
        ]

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


def _feature_maps(network: BaseModel, modules: dict[str, nn.Module], images: torch.Tensor) -> dict[str, np.ndarray]:
    """{path: output} of those modules whose output is one tensor."""
    outputs: dict[str, np.ndarray] = {}

    def store(path: str, output: object) -> None:
        if isinstance(output, torch.Tensor):
            outputs[path] = output.numpy().copy()  # an activation in place may change it

    hooks = [
        module.register_forward_hook(lambda _module, _input, output, path=path: store(path, output))
        for path, module in modules.items()
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
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
