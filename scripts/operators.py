"""Which operators each layer needs in an ONNX graph. Prints docs/operators.md.

python scripts/operators.py
"""

import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxslim
import torch
from torch import nn

from yolo_attn.layers import LAYERS

ROOT = Path(__file__).parents[1]
CHANNELS = 128
OPSET = 17
AXES = {0: "batch", 2: "height", 3: "width"}


class FromOneMap(nn.Module):
    """A layer of several sources as one of x: the maps are x, x at half its size, and a part of x."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer([x, x[:, ::2, ::2, ::2], x[:, : CHANNELS // 3]])


class PlainEMA(LAYERS["EMA"]):
    """Every step of the paper as the operator of torch that is usually taken for it; means for its adaptive pooling."""

    def forward(self, x):
        b, c, h, w = x.size()
        k = self.gn.num_channels
        folded = x.reshape(b * c // k, k, h, w)
        pooled = torch.cat([folded.mean(3, keepdim=True), folded.mean(2, keepdim=True).permute(0, 1, 3, 2)], 2)
        rows, columns = torch.split(self.conv1x1(pooled), [h, w], 2)
        one = self.gn(folded * rows.sigmoid() * columns.permute(0, 1, 3, 2).sigmoid())
        two = self.conv3x3(folded)
        scores = 0
        for pooled_from, applied_to in ((one, two), (two, one)):
            weights = pooled_from.mean((2, 3), keepdim=True).reshape(b * c // k, -1, 1).permute(0, 2, 1).softmax(-1)
            scores = scores + torch.matmul(weights, applied_to.reshape(b * c // k, k, -1))
        return (folded * scores.reshape(b * c // k, 1, h, w).sigmoid()).reshape(b, c, h, w)


def built(layer: type[nn.Module]) -> nn.Module:
    if getattr(layer, "multi_source", False):
        return FromOneMap(layer([CHANNELS, CHANNELS // 2, CHANNELS // 3]))
    return layer(CHANNELS)


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


commit = subprocess.getoutput(f"git -C {ROOT} rev-parse --short HEAD")
print(f"""# Operators of the layers in ONNX

`python scripts/operators.py`, commit {commit}, torch {torch.__version__}, onnx {onnx.__version__}, onnxslim {onnxslim.__version__},
opset {OPSET}.

What a runtime (TensorRT, NCNN, ...) must support to run a layer. Each layer alone with {CHANNELS} channels; nodes without constants: with
any height, width and batch as traced, the same simplified, and of fixed size simplified. The operators are those of the second.

| layer | any size | simplified | fixed size | operators |
|---|---|---|---|---|""")
print(row("EMA, plain form", PlainEMA(CHANNELS)))
for name, layer in LAYERS.items():
    print(row(name, built(layer)), flush=True)
