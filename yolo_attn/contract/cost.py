"""What a layer costs: parameters, operations, time beside known layers; and how near to the identity it starts."""

import statistics
import timeit
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

KNOWN = ("EMA", "CA", "CBAM", "ECA", "SA")
SIDE = 40  # pixels of the map that is timed
ROUNDS, PASSES = 9, 5  # behind a round that warms up


@dataclass(frozen=True)
class Cost:
    """The cost of one layer on a map of (1, channels, 40, 40) in evaluation, one thread.

    Attributes:
        parameters: Their number.
        mflops: 10^6 operations of convolutions and matrix products, 2 for each multiply-add.
        milliseconds: Median time of a pass.
    """

    parameters: int
    mflops: float
    milliseconds: float


@dataclass(frozen=True)
class Start:
    """What a layer does before training to a map of standard normal values.

    Attributes:
        gain: Least-squares g of output = g * input.
        rest: Size of output - g * input, relative to the output: 0 if the layer only scales.
    """

    gain: float
    rest: float


def costs(layers: Mapping[str, nn.Module], channels: int) -> dict[str, Cost]:
    """Measure layers side by side: rounds in turn, so that what else the machine does falls on all of them."""
    x = torch.randn(1, channels, SIDE, SIDE)
    times: dict[str, list[float]] = {name: [] for name in layers}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(1 + ROUNDS):
                for name, layer in layers.items():
                    layer.eval()
                    times[name].append(timeit.timeit(lambda: layer(x), number=PASSES) / PASSES * 1e3)  # noqa: B023  (called here)
    finally:
        torch.set_num_threads(threads)
    return {
        name: Cost(sum(p.numel() for p in layer.parameters()), _mflops(layer, x), statistics.median(times[name][1:]))
        for name, layer in layers.items()
    }


def _mflops(layer: nn.Module, x: torch.Tensor) -> float:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        layer(x)
    return counter.get_total_flops() / 1e6


def start(layer: nn.Module, channels: int) -> Start:
    """Compare the output of an untrained layer with its input."""
    x = torch.randn(2, channels, 20, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = layer.eval()(x)
    gain = float((x * out).sum() / x.square().sum())
    return Start(gain, float((out - gain * x).norm() / out.norm().clamp(min=1e-12)))


def known_layers(channels: int) -> Iterator[tuple[str, nn.Module]]:
    """Return the layers that others are compared with, those that take this many channels."""
    from yolo_attn.layers import LAYERS

    for name in KNOWN:
        try:
            yield name, LAYERS[name](channels)
        except ValueError:  # SA needs a multiple of 2 * groups
            continue
