"""Which operators each layer needs in an ONNX graph. Prints docs/operators.md.

python scripts/operators.py
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxslim
import torch
from torch import nn

from yolo_attn.layers import LAYERS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.reference import REFERENCES  # noqa: E402  the plain form of EMA, as its equations say it

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


class PlainEMA(nn.Module):
    """EMA's equations with the parameters of a layer."""

    def __init__(self):
        super().__init__()
        self.layer = LAYERS["EMA"](CHANNELS)

    def forward(self, x):
        return REFERENCES["EMA"](x, {**dict(self.layer.named_buffers()), **dict(self.layer.named_parameters())})


def built(layer: type[nn.Module]) -> nn.Module:
    if getattr(layer, "multi_source", False):
        return FromOneMap(layer([CHANNELS, CHANNELS // 2, CHANNELS // 3]))
    return layer(CHANNELS)


def operators(module: nn.Module, dynamic: bool, simplify: bool) -> Counter:
    """Operators in the graph, but for constants, which are data."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layer.onnx"
        axes = {"dynamic_axes": {"x": AXES, "y": AXES}} if dynamic else {}
        x = (torch.rand(1, CHANNELS, 20, 28),)
        names = {"input_names": ["x"], "output_names": ["y"]}
        torch.onnx.export(module.eval(), x, file, dynamo=False, opset_version=OPSET, **names, **axes)
        model = onnx.load(file)
    model = onnxslim.slim(model) if simplify else model
    return Counter(node.op_type for node in model.graph.node if node.op_type != "Constant")


def row(name: str, module: nn.Module) -> str:
    plain, slim, fixed = (operators(module, *how) for how in ((True, False), (True, True), (False, True)))
    needed = ", ".join(f"{kind} {count}" for kind, count in sorted(slim.items()))
    return f"| {name} | {plain.total()} | {slim.total()} | {fixed.total()} | {needed} |"


commit = subprocess.getoutput(f"git -C {ROOT} rev-parse --short HEAD")
print(f"""# Operators of the layers in ONNX

`python scripts/operators.py`, commit {commit}, torch {torch.__version__}, onnx {onnx.__version__}, onnxslim {onnxslim.__version__}, opset {OPSET}.

What a runtime (TensorRT, NCNN, ...) must support to run a layer. Each layer alone with {CHANNELS} channels; nodes without constants: with
any height, width and batch as traced, the same simplified, and of fixed size simplified. The operators are those of the second.

| layer | any size | simplified | fixed size | operators |
|---|---|---|---|---|""")
print(row("EMA, plain form", PlainEMA()))
for name, layer in LAYERS.items():
    print(row(name, built(layer)), flush=True)
