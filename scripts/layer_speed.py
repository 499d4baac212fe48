"""CPU time of layers against timm's, or against a plain form of the same equations. Prints docs/layer-speed.md."""

import sys
from functools import partial

import torch
from measuring import command, in_turns, ratio, spread, where
from plain_forms import PLAIN
from timm.layers import EcaModule, GlobalContext, SEModule
from timm.layers.cbam import CbamModule
from timm.layers.coord_attn import CoordAttn
from torch import nn

from yolo_attn.layers import LAYERS

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
TIMM = {
    "SE": partial(SEModule, bias=False),
    "ECA": EcaModule,
    "CBAM": CbamModule,
    "CA": lambda channels: CoordAttn(channels, rd_channels=max(8, channels // 32), bias=True),
    "GC": partial(GlobalContext, fuse_add=True, fuse_scale=False, rd_ratio=1 / 16),
}


def prepared(layer, backward):
    """The layer in training or evaluation mode; norms of pooled vectors keep the latter, as one image is no batch."""
    layer.train(backward)
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return layer


def run(form, x, backward):
    x.grad = None
    out = form(x) if backward else torch.no_grad()(form)(x)
    if backward:
        out.backward(x.detach())


torch.set_num_threads(1)
print(f"""# Layers against the fastest public form

`{command()}`, {where("torch", "timm")}. Batch 1, float32, eager, one thread.

The other form is timm's where it has the layer, else that of `scripts/plain_forms.py`. Times are CPU milliseconds of
the process, so that waiting for other programs does not count: median (quartiles) of {ROUNDS} rounds in which the two
take turns. The ratio is the median of each round's.

| layer | other form | map | pass | other ms | ours ms | other / ours |
|---|---|---|---|---|---|---|""")
for name in sys.argv[2:] or sorted(TIMM | PLAIN):
    for channels, side in ((256, 40), (64, 160)):
        for kind, backward in (("forward", False), ("forward + backward", True)):
            ours = prepared(LAYERS[name](channels), backward)
            other = prepared(TIMM[name](channels), backward) if name in TIMM else partial(PLAIN[name], ours)
            x = torch.randn(1, channels, side, side, requires_grad=True)
            forms = {"theirs": other, "ours": ours}
            calls = {who: partial(run, form, x, backward) for who, form in forms.items()}
            theirs, mine = in_turns(calls, ROUNDS).values()
            source = "timm" if name in TIMM else "plain"
            print(
                f"| {name} | {source} | {channels} x {side} x {side} | {kind} | {spread(theirs)} | {spread(mine)}",
                end="",
            )
            print(f" | {ratio(theirs, mine):.2f} |", flush=True)
