"""The cost of a network: parameters, floating-point operations, and the time of a forward pass on this machine."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WARM_UP = 3
ROUNDS = 20


@dataclass(frozen=True)
class Complexity:
    """The size of a network: parameters before any fusing, frozen ones included, and 10^9 operations, 2 for each multiply-add."""

    parameters: int
    gflops: float


def complexity(network: nn.Module, imgsz: int, channels: int = 3) -> Complexity:
    """A network -> its size for one image (1, channels, imgsz, imgsz).

    Operations are counted as they are dispatched: convolutions and matrix products, wherever they stand, `matmul` and
    `einsum` in a `forward` included. Element-wise work, normalisation, pooling and softmax are not counted.

    The network may be on any device, and its mode is kept. Ultralytics' own figure, which counts the modules that it knows and
    is 0.0 where counting fails, is not used.
    """
    training = network.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(_image(network, imgsz, channels))
    network.train(training)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Complexity(parameters, counter.get_total_flops() / 1e9)


def milliseconds(network: nn.Module, imgsz: int, channels: int = 3) -> float:
    """The median time of a forward pass with one image, after a warm-up.

    Reading, scaling and NMS are not in it. Medians taken at different times differ by what else the machine does; a difference
    between models needs interleaved rounds.
    """
    image, network = _image(network, imgsz, channels), network.eval()
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UP + ROUNDS):
            _wait(image.device)
            start = time.perf_counter()
            network(image)
            _wait(image.device)
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[WARM_UP:])


def _image(network: nn.Module, imgsz: int, channels: int) -> torch.Tensor:
    like = next(network.parameters(), torch.empty(0))  # SimAM has none
    return torch.zeros(1, channels, imgsz, imgsz, device=like.device, dtype=like.dtype)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
