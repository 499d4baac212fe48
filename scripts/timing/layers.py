"""The cost of each layer, each layer against the fastest public form, and EMA's form against the plain one.

python -m scripts.timing.layers cost|public|ema [--rounds 21]
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Annotated

import torch
import typer
from torch import nn

from scripts import results
from scripts.timing.forms import compiled, forward, forward_backward, in_onnxruntime, of_one_map
from scripts.timing.plain_forms import PLAIN, PlainEMA
from scripts.timing.timer import DEVICE, interleaved, peak, ratio, spread
from yolo_attn.layers import LAYERS
from yolo_attn.layers.ema import EMA

CHANNELS, SIDE = 256, 40  # P4 of yolov5s at 640 px
# P5, P4, P3 of yolov5s and of yolov5x, and P2 of yolov5x-p2.
EMA_MAPS = ((512, 20), (256, 40), (128, 80), (1280, 20), (640, 40), (320, 80), (320, 160))
PUBLIC_MAPS = ((256, 40), (64, 160))
PASSES = {"forward": forward, "forward + backward": forward_backward}

app = typer.Typer(no_args_is_help=True)
Rounds = Annotated[int, typer.Option(help="Turns of each form.")]


class OnePass(nn.Module):
    """x -> 2 x: reads a map and writes one, which is the floor of any layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


@app.command()
def cost(rounds: Rounds = 21) -> None:
    """Each layer alone: time in torch, torch.compile and onnxruntime, and peak memory; each with its ratio to one pass."""
    torch.set_num_threads(1)
    modules: dict[str, nn.Module] = {"one pass": OnePass(), "EMA, plain form": PlainEMA(CHANNELS)}
    modules |= {name: of_one_map(LAYERS[name], CHANNELS) for name in sorted(LAYERS)}
    modules = {name: layer.to(DEVICE).eval() for name, layer in modules.items()}
    x = torch.randn(1, CHANNELS, SIDE, SIDE, device=DEVICE, requires_grad=True)
    call_of: dict[str, Callable] = {
        "eager": forward,
        "eager, forward + backward": forward_backward,
        "compiled": compiled,
        "compiled, forward + backward": partial(compiled, way=forward_backward),
        "onnxruntime": in_onnxruntime,
    }
    ways = {way: {name: call(layer, x) for name, layer in modules.items()} for way, call in call_of.items()}
    size = x.numel() * x.element_size()
    peaks = {name: round(peak(call) / size, 1) for name, call in ways["eager, forward + backward"].items()}
    times = {way: interleaved(calls, rounds) for way, calls in ways.items()}
    order = sorted(modules, key=lambda name: ratio(times["onnxruntime"][name], times["onnxruntime"]["one pass"]))
    rows = [(name, *(spread(way[name], way["one pass"]) for way in times.values()), f"{peaks[name]}") for name in order]
    place = f"{CHANNELS} x {SIDE} x {SIDE}"
    note = f"{place}, default arguments, batch 1, float32, one thread; {rounds} rounds; milliseconds."
    results.save("layers-cost", ("layer", *ways, "peak, maps"), rows, results.made("torch", "onnxruntime"), note)


@app.command()
def public(rounds: Rounds = 61) -> None:
    """Each layer against timm's form where timm has the layer, otherwise against the plain form of the same equations."""
    from timm.layers import EcaModule, GlobalContext, SEModule
    from timm.layers.cbam import CbamModule
    from timm.layers.coord_attn import CoordAttn

    timm_forms: dict[str, Callable[[int], nn.Module]] = {
        "SE": partial(SEModule, bias=False),
        "ECA": EcaModule,
        "CBAM": CbamModule,
        "CA": lambda channels: CoordAttn(channels, rd_channels=max(8, channels // 32), bias=True),
        "GC": partial(GlobalContext, fuse_add=True, fuse_scale=False, rd_ratio=1 / 16),
    }
    torch.set_num_threads(1)
    rows = []
    for name, (channels, side), way in product(sorted(timm_forms | PLAIN), PUBLIC_MAPS, PASSES):
        call, training = PASSES[way], way != "forward"
        layer = in_mode(LAYERS[name](channels), training)
        if name in timm_forms:
            source, other = "timm", in_mode(timm_forms[name](channels), training)
        else:
            source, other = "plain", partial(PLAIN[name], layer)
        x = torch.randn(1, channels, side, side, requires_grad=True)
        times = interleaved({"other": call(other, x), "layer": call(layer, x)}, rounds)
        case = (name, source, f"{channels} x {side} x {side}", way)
        rows.append((*case, *map(spread, times.values()), ratio(times["other"], times["layer"])))
    columns = ("layer", "other form", "map", "pass", "other, ms", "yolo_attn, ms", "other / yolo_attn")
    note = f"Batch 1, float32, eager, one thread; {rounds} rounds."
    results.save("layers-public", columns, rows, results.made("torch", "timm"), note)


@app.command()
def ema(
    rounds: Rounds = 21, threads: Annotated[int, typer.Option(help="Threads of torch and onnxruntime.")] = 1
) -> None:
    """EMA's form against the plain form: time and peak memory at the maps of yolov5s, yolov5x and its P2 variant."""
    torch.set_num_threads(threads)
    rows = []
    for (channels, side), factor in product(EMA_MAPS, (8, 32)):
        forms = {"plain": PlainEMA(channels, factor).to(DEVICE), "EMA": EMA(channels, factor).to(DEVICE)}
        x = torch.randn(1, channels, side, side, requires_grad=True, device=DEVICE)
        for way, call_of in {**PASSES, "onnxruntime": partial(in_onnxruntime, threads=threads)}.items():
            calls = {name: call_of(form, x) for name, form in forms.items()}
            peaks: list[str | None] = [None, None]  # onnxruntime has an allocator of its own
            if way in PASSES:
                peaks = [f"{peak(call) / x.numel() / x.element_size():.1f}" for call in calls.values()]
            plain, fast = interleaved(calls, rounds).values()
            place = f"{channels} x {side} x {side}"
            rows.append((place, factor, way, spread(plain), spread(fast), ratio(plain, fast), *peaks))
    measured = ("plain, ms", "EMA, ms", "plain / EMA", "plain, peak in maps", "EMA, peak in maps")
    columns = ("map", "factor", "pass", *measured)
    note = f"Batch 1, float32, threads: {threads}; {rounds} rounds."
    name = "ema-forms" if threads == 1 else f"ema-forms-{threads}-threads"
    results.save(name, columns, rows, results.made("torch", "onnxruntime"), note)


def in_mode(layer: nn.Module, training: bool) -> nn.Module:
    """The layer in training or evaluation mode; norms of pooled vectors stay in the latter, as one image has no statistics."""
    layer.train(training)
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return layer


if __name__ == "__main__":
    app()
