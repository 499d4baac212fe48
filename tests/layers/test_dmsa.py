"""DMSA attends over all pixels without a map of all pairs."""

from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile

from yolo_attn.layers.dmsa import DMSA


def test_position_attention_never_holds_the_scores_of_all_pairs():
    side = 96
    layer, x = DMSA(64), torch.randn(1, 64, side, side, requires_grad=True)
    torch.nn.init.ones_(layer.alpha)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        layer(x).sum().backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    peak = max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
    assert peak < side**4 * x.element_size() / 4  # of one group's scores
