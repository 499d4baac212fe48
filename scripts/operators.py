"""Which operators each layer needs in an ONNX graph. Prints docs/operators.md.

python scripts/operators.py
"""

import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxslim
import torch
from measuring import alone, command, commit
from plain_forms import PlainEMA
from torch import nn

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


def row(name: str, module: nn.Module) -> str:
    plain, slim, fixed = (operators(module, *how) for how in ((True, False), (True, True), (False, True)))
    needed = ", ".join(f"{kind} {count}" for kind, count in sorted(slim.items()))
    return f"| {name} | {plain.total()} | {slim.total()} | {fixed.total()} | {needed} |"


print(f"""# Operators of the layers in ONNX

`{command()}`, commit {commit()}, torch {torch.__version__}, onnx {onnx.__version__}, onnxslim {onnxslim.__version__}, opset {OPSET}.

What a runtime (TensorRT, NCNN, ...) must support to run a layer. Each layer alone with {CHANNELS} channels; nodes without constants: with
any height, width and batch as traced, the same simplified, and of fixed size simplified. The operators are those of the second.

| layer | any size | simplified | fixed size | operators |
|---|---|---|---|---|""")
print(row("EMA, plain form", PlainEMA(CHANNELS)))
for name, layer in LAYERS.items():
    print(row(name, alone(layer, CHANNELS)), flush=True)
