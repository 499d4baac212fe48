"""EMA as the package computes it against its plain form: time and peak memory. Prints docs/ema-forms.md.

python scripts/ema_forms.py [rounds]
"""

import sys
from functools import partial

import torch
from measuring import DEVICE, command, exported, in_turns, peak, ratio, spread, where
from plain_forms import PlainEMA

from yolo_attn.layers.ema import EMA

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
# P5, P4, P3 of yolov5s and of yolov5x, and P2 of yolov5x-p2.
MAPS = ((512, 20), (256, 40), (128, 80), (1280, 20), (640, 40), (320, 80), (320, 160))


def forward(layer, x):
    with torch.no_grad():
        return layer(x)


def both(layer, x):
    layer.zero_grad()
    x.grad = None
    layer(x).backward(x.detach())


torch.set_num_threads(1)
print(f"""# EMA: the package's form against the plain form

`{command()}`, {where("torch", "onnxruntime")}. Batch 1, float32, one thread on a CPU.

Times are milliseconds of the process, so that waiting for other programs does not count: median (quartiles) of
{ROUNDS} rounds in which the forms take turns. The ratio is the median of each round's. The peak is the highest sum of
live bytes from torch's allocator in one run, in maps of the size of x, which is not in it. In onnxruntime the layer is
exported alone and of fixed size, and both forms end with a copy to their output that a layer inside a network does without.

| map | factor | pass | plain ms | ours ms | plain / ours | plain peak | ours peak |
|---|---|---|---|---|---|---|---|""")
for channels, side in MAPS:
    for factor in (8, 32):
        forms = {"plain": PlainEMA(channels, factor).to(DEVICE), "ours": EMA(channels, factor).to(DEVICE)}
        x = torch.randn(1, channels, side, side, requires_grad=True, device=DEVICE)
        passes = {
            "forward": [partial(forward, form, x) for form in forms.values()],
            "forward + backward": [partial(both, form, x) for form in forms.values()],
            "onnxruntime": [exported(form, x) for form in forms.values()],
        }
        for kind, calls in passes.items():
            in_torch = kind != "onnxruntime"
            peaks = [f"{peak(call) / x.numel() / x.element_size():.1f}" if in_torch else "" for call in calls]
            times = in_turns(dict(zip(forms, calls, strict=True)), ROUNDS)
            plain, ours = times.values()
            print(f"| {channels} x {side} x {side} | {factor} | {kind} | {spread(plain)} | {spread(ours)}", end=" | ")
            print(f"{ratio(plain, ours):.2f} | {' | '.join(peaks)} |", flush=True)
