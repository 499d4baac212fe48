"""The timer and the forms that the published times rest on."""

import pytest
import torch
from torch import nn

from scripts.timing import forms, timer
from yolo_attn.layers import LAYERS


def test_every_call_has_one_turn_a_round_and_the_warm_up_does_not_count():
    order = []
    times = timer.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    rounds = [order[start : start + 2] for start in range(0, len(order), 2)]
    assert len(rounds) == timer.WARM_UP + 3
    assert all(sorted(turn) == ["a", "b"] for turn in rounds)
    assert rounds[0] != rounds[1], "every other round goes backwards"
    assert {name: len(taken) for name, taken in times.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_medians():
    assert timer.ratio([1.0, 4.0, 9.0], [1.0, 2.0, 9.0]) == 1
    assert timer.ratio([2.0, 4.0, 90.0], [1.0, 2.0, 30.0]) == 2


def test_a_spread_is_the_median_between_the_quartiles():
    assert timer.spread([1.0, 2.0, 3.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    assert timer.spread([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])["ratio"] == 2


def test_the_peak_is_what_was_alive_at_a_time():
    x = torch.zeros(1 << 20)
    assert timer.peak(lambda: x + 1 + 1 + 1) == pytest.approx(2 * x.numel() * x.element_size(), rel=0.01)


def test_an_exported_module_computes_what_the_module_does():
    module, x = nn.Conv2d(3, 2, 1), torch.rand(1, 3, 4, 5)
    (out,) = forms.in_onnxruntime(module, x)()
    torch.testing.assert_close(torch.from_numpy(out), module(x).detach())


@pytest.mark.parametrize("name", ["EMA", "EMCA"])
def test_every_layer_is_a_module_of_one_map(name):
    assert forms.of_one_map(LAYERS[name], 64)(torch.rand(1, 64, 8, 8)).shape[0] == 1
