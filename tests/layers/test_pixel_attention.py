"""Attention over all pixels without a map of all pairs."""

from itertools import accumulate

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.layers.inputs import randomised
from tests.layers.test_contract import QUADRATIC
from yolo_attn.layers import LAYERS


@pytest.mark.parametrize("name", QUADRATIC)
def test_the_scores_of_all_pairs_of_pixels_are_never_held(name):
    side = 96
    layer, x = randomised(LAYERS[name](64)), torch.randn(1, 64, side, side, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        layer(x).sum().backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    peak = max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
    assert peak < side**4 * x.element_size() / 4  # of one image's scores
