"""EMA as the package computes it against its plain form: eager CPU time and peak memory. Prints docs/ema-forms.md."""

import os
import statistics
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from yolo_attn.layers.ema import EMA

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


class Plain(EMA):
    """x (B, C, H, W) -> (B, C, H, W): every step of the paper as an operator of torch."""

    def forward(self, x):
        g = x.reshape(-1, self.gn.num_channels, *x.shape[2:])
        pooled = torch.cat([g.mean(3, keepdim=True), g.mean(2, keepdim=True).transpose(2, 3)], 2)
        rows, columns = self.conv1x1(pooled).split([*x.shape[2:]], 2)
        normalised = self.gn(g * rows.sigmoid() * columns.transpose(2, 3).sigmoid())
        convolved = self.conv3x3(g)
        score = normalised.mean((2, 3)).softmax(1)[:, None] @ convolved.flatten(2)
        score = score + convolved.mean((2, 3)).softmax(1)[:, None] @ normalised.flatten(2)
        return (g * score.view(len(g), 1, *x.shape[2:]).sigmoid()).reshape(x.shape)


def run(layer, x, backward):
    """CPU seconds of one call, and of its backward if asked."""
    layer.zero_grad()
    x.grad = None
    start = time.process_time()
    out = layer(x) if backward else torch.no_grad()(layer)(x)
    if backward:
        out.backward(x.detach())
    return time.process_time() - start


def peak(layer, x, backward):
    """Highest sum of live bytes that torch's allocator gave out during one run, in maps of the size of x."""
    run(layer, x, backward)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(layer, x, backward)
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return max(live) / (x.numel() * x.element_size())


torch.set_num_threads(1)
commit = subprocess.getoutput("git rev-parse --short --verify -q HEAD") or "uncommitted"
cpu = next(line[13:] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
print(f"""# EMA: the package's form against the plain form

`{" ".join(["python", *sys.argv])}`, commit {commit}, torch {torch.__version__}, {cpu}, load at the start
{os.getloadavg()[0]:.1f}. Batch 1, float32, eager, one thread.

Times are CPU milliseconds of the process, so that waiting for other programs does not count: median (quartiles) of
{ROUNDS} rounds in which the forms take turns. The ratio is the median of each round's. The peak is the highest sum of
live bytes from torch's allocator in one run, replayed from the profiler, in maps of the size of x, which is not in it.

| map | factor | pass | plain ms | ours ms | plain / ours | plain peak | ours peak |
|---|---|---|---|---|---|---|---|""")
for channels, side in ((512, 20), (256, 40), (128, 80), (320, 160)):
    for factor in (8, 32):
        forms = [Plain(channels, factor), EMA(channels, factor)]
        x = torch.randn(1, channels, side, side, requires_grad=True)
        for kind, backward in (("forward", False), ("forward + backward", True)):
            peaks = [peak(form, x, backward) for form in forms]  # also the warm-up
            rounds = [[run(form, x, backward) * 1e3 for form in forms] for _ in range(ROUNDS)]
            cells = [statistics.quantiles(times, n=4) for times in zip(*rounds, strict=True)]
            times = " | ".join(f"{middle:.2f} ({low:.2f} to {high:.2f})" for low, middle, high in cells)
            ratio = statistics.median(plain / ours for plain, ours in rounds)
            print(f"| {channels} x {side} x {side} | {factor} | {kind} | {times}", end=" | ")
            print(f"{ratio:.2f} | {peaks[0]:.1f} | {peaks[1]:.1f} |", flush=True)
