"""Which operators each layer needs in an ONNX graph: python -m scripts.reproduce.operators"""

import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxslim
import torch
from torch import nn

from scripts import results
from scripts.timing.forms import of_one_map
from scripts.timing.plain_forms import PlainEMA
from yolo_attn.layers import LAYERS

CHANNELS = 128
OPSET = 17
AXES = {0: "batch", 2: "height", 3: "width"}


def operators(module: nn.Module, dynamic: bool, simplify: bool) -> Counter:
    """Operators in the graph, but for constants, which are data."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layer.onnx"
        axes = {"dynamic_axes": {"x": AXES, "y": AXES}} if dynamic else {}
        names = {"input_names": ["x"], "output_names": ["y"], "opset_version": OPSET}
        torch.onnx.export(module.eval(), (torch.rand(1, CHANNELS, 20, 28),), file, dynamo=False, **names, **axes)
        model = onnx.load(file)
    model = onnxslim.slim(model) if simplify else model
    return Counter(node.op_type for node in model.graph.node if node.op_type != "Constant")


def row(name: str, module: nn.Module) -> tuple[str, int, int, int, str]:
    """Numbers of nodes in three exports, and the operators of the second."""
    traced, simplified, fixed = (operators(module, *how) for how in ((True, False), (True, True), (False, True)))
    needed = ", ".join(f"{kind} {count}" for kind, count in sorted(simplified.items()))
    return name, traced.total(), simplified.total(), fixed.total(), needed


def main() -> None:
    """Save the table."""
    layers = {"EMA, plain form": PlainEMA(CHANNELS)} | {
        name: of_one_map(layer, CHANNELS) for name, layer in LAYERS.items()
    }
    rows = [row(name, module) for name, module in layers.items()]
    columns = ("layer", "any size", "simplified", "fixed size", "operators")
    note = f"{CHANNELS} channels, opset {OPSET}; the operators are those of the simplified graph of any size."
    results.save("operators", columns, rows, results.made("torch", "onnx", "onnxslim"), note)


if __name__ == "__main__":
    main()
