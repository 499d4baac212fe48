"""What attention costs: each layer alone, and each model of cfg/ against the same without attention. Prints docs/latency.md.

python scripts/latency.py [--rounds N] [--scale s] [--layers NAME ...] [--models NAME ...] [--compile-models NAME ...]
"""

import argparse
import copy
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measuring import CUDA, DEVICE, alone, command, exported, in_turns, peak, ratio, session, spread, where
from plain_forms import PlainEMA
from torch import nn
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.edit import strip

CFG = Path(__file__).parents[1] / "cfg"
CHANNELS, SIDE = 256, 40  # P4 of yolov5s at 640 px
IMAGE = {"classify": 224, "detect": 640}
CLASSIFIER_OR_BACKBONE = re.compile(r"(ResNet, \[\d+), [^\]]*\]")  # whose attention is an argument, not a row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns that each form has (default 15)")
    parser.add_argument("--scale", default="s", help="of the models (default s)")
    parser.add_argument("--layers", nargs="*", default=[*LAYERS], help="only these layers")
    parser.add_argument(
        "--models", nargs="*", default=[path.stem for path in sorted(CFG.glob("*.yaml"))], help="of cfg/"
    )
    parser.add_argument(
        "--compile-models", nargs="*", default=None, help="those measured in torch.compile (default all)"
    )
    return parser.parse_args()


def total(outputs) -> torch.Tensor:
    """The sum of all that a model in training returns."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float().sum()
    return sum(map(total, outputs.values() if isinstance(outputs, dict) else outputs))


def forward(module: Callable, x: torch.Tensor) -> Callable:
    def call():
        with torch.inference_mode():
            module(x)

    return call


def both(module: Callable, x: torch.Tensor) -> Callable:
    def call():
        x.grad = None
        total(module(x)).backward()

    return call


def compiled(module: nn.Module, x: torch.Tensor, way: Callable) -> Callable:
    """The call after compilation, in one graph."""
    way(module, x)()  # Detect keeps its anchors from the first call on
    call = way(torch.compile(module, fullgraph=True, dynamic=False), x)
    call()
    return call


class Nothing(nn.Module):
    """Reads a map and writes one, as the cheapest layer must."""

    def forward(self, x):
        return x * 2


def layer_rows(names: list[str], rounds: int) -> Iterator[str]:
    """Lines of the table of layers."""
    built = {"one pass": Nothing()} | {name: alone(LAYERS[name], CHANNELS) for name in names}
    if "EMA" in built:
        built["EMA, plain form"] = PlainEMA(CHANNELS)
    layers = {name: layer.to(DEVICE).eval() for name, layer in built.items()}
    x = torch.randn(1, CHANNELS, SIDE, SIDE, device=DEVICE, requires_grad=True)
    size = x.numel() * x.element_size()
    ways = {
        "eager": {name: forward(layer, x) for name, layer in layers.items()},
        "eager both": {name: both(layer, x) for name, layer in layers.items()},
        "compiled": {name: compiled(layer, x, forward) for name, layer in layers.items()},
        "compiled both": {name: compiled(layer, x, both) for name, layer in layers.items()},
        "onnxruntime": {name: exported(layer, x) for name, layer in layers.items()},
    }
    peaks = {name: peak(call) / size for name, call in ways["eager both"].items()}
    times = {way: in_turns(calls, rounds) for way, calls in ways.items()}
    yield "| layer | eager | forward + backward | peak, maps | compiled | forward + backward | onnxruntime |"
    yield "|---|---|---|---|---|---|---|"
    for name in sorted(layers, key=lambda name: ratio(times["onnxruntime"][name], times["onnxruntime"]["one pass"])):
        cells = [f"{spread(found[name])}, {ratio(found[name], found['one pass']):.1f}" for found in times.values()]
        yield f"| {name} | {' | '.join([*cells[:2], f'{peaks[name]:.1f}', *cells[2:]])} |"


def families(names: list[str], scale: str, folder: Path) -> Iterator[dict[str, Path]]:
    """{name: file} of models that are the same without attention; that one is the first."""
    grouped: dict[str, dict[str, Path]] = {}
    for name in names:
        text = (CFG / f"{name}.yaml").read_text(encoding="utf-8")
        bare = CLASSIFIER_OR_BACKBONE.sub(r"\1]", strip(text))
        rows = re.sub(r"\s*#.*", "", bare)
        stem = re.sub(r"^(yolo[v]?\d+)", rf"\1{scale}", name)
        base = folder / f"{re.sub(r'-(ema|emca|eca|cbam|ca|sa)', '', stem)}.yaml"
        base.write_text(bare, encoding="utf-8")
        family = grouped.setdefault(rows, {base.stem: base})
        if text != bare:
            file = folder / f"{stem}.yaml"
            file.write_text(text, encoding="utf-8")
            family[stem] = file
    return iter(grouped.values())


def in_onnxruntime(model: YOLO, x: torch.Tensor) -> Callable:
    running = session(model.export(format="onnx", imgsz=x.shape[2], verbose=False))
    values = {running.get_inputs()[0].name: x.cpu().numpy().astype(np.float32)}
    return lambda: running.run(None, values)


def model_rows(
    names: list[str], compile_names: list[str] | None, scale: str, rounds: int, folder: Path
) -> Iterator[str]:
    """Lines of the table of models."""
    yield "| model | eager | forward + backward | peak, MiB | compiled | onnxruntime |"
    yield "|---|---|---|---|---|---|"
    for family in families(names, scale, folder):
        torch.compiler.reset()  # it compiles a class only so many times
        models = {name: YOLO(str(file)) for name, file in family.items()}
        side = IMAGE[next(iter(models.values())).task]
        x = torch.rand(1, 3, side, side, device=DEVICE)
        networks = {name: model.model.to(DEVICE) for name, model in models.items()}
        for network in networks.values():
            network.requires_grad_()
        training = {name: both(network.train(), x) for name, network in networks.items()}
        peaks = {name: peak(call) / 2**20 for name, call in training.items()}
        columns = [in_turns(training, rounds)]
        fused = {name: copy.deepcopy(network).eval().fuse(verbose=False) for name, network in networks.items()}
        columns.insert(0, in_turns({name: forward(network, x) for name, network in fused.items()}, rounds))
        chosen = fused if compile_names is None or set(family) & set(compile_names) else {}
        calls = {name: compiled(network, x, forward) for name, network in chosen.items()}
        columns.append(in_turns(calls, rounds) if calls else {})
        columns.append(in_turns({name: in_onnxruntime(model, x) for name, model in models.items()}, rounds))
        base = next(iter(family))
        for name in family:
            cells = [f"{spread(c[name])}, {ratio(c[name], c[base]):.3f}" if c else "" for c in columns]
            memory = f"{peaks[name]:,.0f}, {peaks[name] / peaks[base]:.2f}"
            yield f"| {name} | {' | '.join([*cells[:2], memory, *cells[2:]])} |"


def main() -> None:
    asked = arguments()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    LOGGER.setLevel("ERROR")  # it writes to standard output
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)  # exports land beside their YAML or here
    print(f"""# What attention costs

`{command()}`, {where("torch", "onnxruntime", "ultralytics")}. Batch 1, float32{"" if CUDA else ", one thread"}.

Milliseconds{"" if CUDA else " of the process, so that waiting for other programs does not count"}: median (quartiles) of
{asked.rounds} rounds in which the forms take turns. Compiled is `torch.compile(..., fullgraph=True)`; onnxruntime runs the stock
export of fixed size. Memory is the highest sum of live bytes from torch's allocator in forward + backward.

## Layers alone

{CHANNELS} x {SIDE} x {SIDE}, default arguments; behind each time how many passes it takes: one pass reads the map and writes another,
which is the floor of any layer. The peak is in maps of that size, without the input. Ordered by onnxruntime.
""")
    for line in layer_rows(asked.layers, asked.rounds):
        print(line, flush=True)
    print("""
## Models

640 x 640 px for detectors, 224 x 224 for classifiers. Behind each figure its ratio to the same model without attention, the first of
its group: the median of each round's. Eager and compiled forward passes are of the fused model.
""")
    for line in model_rows(asked.models, asked.compile_models, asked.scale, asked.rounds, folder):
        print(line, flush=True)


if __name__ == "__main__":
    main()
