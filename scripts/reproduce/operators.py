"""Operators of each layer in an ONNX graph: python -m scripts.reproduce.operators"""

from collections import Counter

import torch
import typer
from torch import nn

from scripts import results
from scripts.timing.forms import OPSET, of_one_map, onnx_graph
from scripts.timing.plain_forms import PlainEMA
from yolo_attn.layers import LAYERS

CHANNELS = 128


def operators(module: nn.Module, dynamic: bool, simplify: bool) -> Counter:
    """Operators in the graph, but for constants, which are data."""
    graph = onnx_graph(module, torch.rand(1, CHANNELS, 20, 28), dynamic, simplify).graph
    return Counter(node.op_type for node in graph.node if node.op_type != "Constant")


def main() -> None:
    """Save the table: numbers of nodes in three exports, and the operators of the second."""
    layers = {name: of_one_map(layer, CHANNELS) for name, layer in LAYERS.items()}
    rows = []
    for name, module in {"EMA, plain form": PlainEMA(CHANNELS), **layers}.items():
        traced = operators(module, dynamic=True, simplify=False)
        simplified = operators(module, dynamic=True, simplify=True)
        fixed = operators(module, dynamic=False, simplify=True)
        needed = ", ".join(f"{kind} {count}" for kind, count in sorted(simplified.items()))
        rows.append((name, traced.total(), simplified.total(), fixed.total(), needed))
    columns = ("layer", "any size", "simplified", "fixed size", "operators")
    note = f"{CHANNELS} channels, opset {OPSET}; the operators are those of the simplified graph of any size."
    results.save("operators", columns, rows, results.made("torch", "onnx", "onnxslim"), note)


if __name__ == "__main__":
    typer.run(main)
