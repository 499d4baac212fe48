"""What the scripts that measure share: where they ran, forms that take turns, sessions of a runtime, memory."""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from yolo_attn.experiment import environment

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
WARM_UP = 2


def command() -> str:
    """The line that runs this script again."""
    return " ".join(["python", "scripts/" + Path(sys.argv[0]).name, *sys.argv[1:]])


def commit() -> str:
    """Of the checkout that is measured."""
    return environment.commit() or "uncommitted"


def processor() -> str:
    """The GPU where there is one, else the CPU."""
    if CUDA:
        driver = subprocess.getoutput("nvidia-smi --query-gpu=driver_version --format=csv,noheader").split()[0]
        return f"{torch.cuda.get_device_name()}, driver {driver}"
    return environment.processor()


def where(*packages: str) -> str:
    """Commit, versions, processor, and how busy it was before."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"commit {commit()}, {versions}, {processor()}, load at the start {os.getloadavg()[0]:.1f}"


def milliseconds(call: Callable) -> float:
    """Of one call: on a GPU until it is done; on a CPU those of the process, so that waiting for other programs does not count.

    The latter says what one thread takes: the caller sets the number of threads to one.
    """
    clock = time.perf_counter if CUDA else time.process_time
    _ = CUDA and torch.cuda.synchronize()
    start = clock()
    call()
    _ = CUDA and torch.cuda.synchronize()
    return (clock() - start) * 1e3


def in_turns(calls: Mapping[str, Callable], rounds: int) -> dict[str, list[float]]:
    """{name: milliseconds of each round}; in each round every call has one turn."""
    times = [[milliseconds(call) for call in calls.values()] for _ in range(WARM_UP + rounds)][WARM_UP:]
    return dict(zip(calls, map(list, zip(*times, strict=True)), strict=True))


def spread(times: list[float]) -> str:
    """Median (quartiles), three digits."""
    low, middle, high = (
        f"{time:.{max(0, 2 - int(math.log10(max(time, 1))))}f}" for time in statistics.quantiles(times, n=4)
    )
    return f"{middle} ({low} to {high})"


def ratio(times: list[float], base: list[float]) -> float:
    """The median of each round's."""
    return statistics.median(one / other for one, other in zip(times, base, strict=True))


def peak(call: Callable) -> int:
    """Most bytes that one call had taken from torch's allocator at a time, beyond those before it."""
    call()
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


class FromOneMap(nn.Module):
    """A layer of several sources as one of x: the maps are x, x at half its size, and a part of x."""

    def __init__(self, layer: Callable[[list[int]], nn.Module], channels: int):
        super().__init__()
        self.channels = channels
        self.layer = layer([channels, channels // 2, channels // 3])

    def forward(self, x):
        return self.layer([x, x[:, ::2, ::2, ::2], x[:, : self.channels // 3]])


def alone(layer: type[nn.Module], channels: int) -> nn.Module:
    """The layer with its default arguments, as a module of one map."""
    return FromOneMap(layer, channels) if getattr(layer, "multi_source", False) else layer(channels)


def session(file: str | Path | bytes):
    """An onnxruntime session of one thread, on the GPU where both have one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] * CUDA + ["CPUExecutionProvider"]
    providers = [provider for provider in wanted if provider in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(file if isinstance(file, bytes) else str(file), options, providers=providers)


def exported(module: nn.Module, x: torch.Tensor) -> Callable:
    """The module alone in onnxruntime at the size of x, simplified as the stock export does: a call without arguments."""
    import onnx
    import onnxslim

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder, "layer.onnx")
        torch.onnx.export(module.eval(), (x.detach(),), file, dynamo=False, opset_version=17, input_names=["x"])
        running = session(onnxslim.slim(onnx.load(file)).SerializeToString())
    values = {"x": x.detach().cpu().numpy()}
    return lambda: running.run(None, values)
