"""Count the operations of each layer with the tools that people use: python -m scripts.reproduce.counters

Needs torchinfo, fvcore and ptflops beside the package.
"""

import logging
import warnings
from collections.abc import Callable

import ptflops
import thop
import torch
import torchinfo
import typer
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scripts import results
from scripts.timing.forms import of_one_map
from yolo_attn.layers import LAYERS

CHANNELS, SIDE = 256, 20


def by_dispatch(layer: nn.Module, x: torch.Tensor) -> float:
    """Multiply-adds as torch executes them."""
    with FlopCounterMode(display=False) as counter:
        layer(x)
    return counter.get_total_flops() / 2


COUNTERS: dict[str, Callable[[nn.Module, torch.Tensor], float]] = {
    "torch FlopCounterMode / 2": by_dispatch,
    "ultralytics-thop": lambda layer, x: thop.profile(layer, inputs=(x,), verbose=False)[0],
    "torchinfo": lambda layer, x: torchinfo.summary(layer, input_data=x, verbose=0).total_mult_adds,
    "fvcore": lambda layer, x: FlopCountAnalysis(layer, x).total(),
    "ptflops": lambda layer, x: ptflops.get_model_complexity_info(
        layer, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False, backend="pytorch"
    )[0],
}


def main() -> None:
    """Save the table: thousands of multiply-adds, for the layers by name."""
    logging.disable(logging.WARNING)  # fvcore names every operator that it does not know
    warnings.simplefilter("ignore")
    rows = []
    for name in sorted(LAYERS):
        counts = []
        for count in COUNTERS.values():
            x = torch.rand(1, CHANNELS, SIDE, SIDE)
            with torch.no_grad():
                counts.append(float(count(of_one_map(LAYERS[name], CHANNELS).eval(), x)) / 1e3)
        rows.append((name, *counts))
    note = f"{CHANNELS} x {SIDE} x {SIDE}, default arguments, without gradients; thousands of multiply-adds."
    made = results.made("torch", "ultralytics-thop", "torchinfo", "fvcore", "ptflops")
    results.save("counters", ("layer", *COUNTERS), rows, made, note)


if __name__ == "__main__":
    typer.run(main)
