"""What the measuring scripts publish rests on these few functions."""

import measuring
import pytest
import torch
from torch import nn

from yolo_attn.layers import LAYERS


def test_forms_take_turns_and_the_warm_up_is_not_counted():
    order = []
    times = measuring.in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * (measuring.WARM_UP + 3)
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_medians():
    assert measuring.ratio([1.0, 4.0, 9.0], [1.0, 2.0, 9.0]) == 1
    assert measuring.ratio([2.0, 4.0, 90.0], [1.0, 2.0, 30.0]) == 2


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ([0.1, 0.2, 0.3], "0.20 (0.10 to 0.30)"),
        ([9.0, 12.34, 20.0], "12.3 (9.00 to 20.0)"),
        ([999.0] * 3, "999 (999 to 999)"),
    ],
)
def test_times_are_shown_with_three_digits(times, shown):
    assert measuring.spread(times) == shown


def test_the_peak_is_what_was_alive_at_a_time():
    map_ = torch.zeros(1 << 20)
    size = map_.numel() * map_.element_size()
    assert measuring.peak(lambda: map_ + 1 + 1 + 1) == pytest.approx(2 * size, rel=0.01)


def test_an_exported_module_computes_what_the_module_does():
    module, x = nn.Conv2d(3, 2, 1), torch.rand(1, 3, 4, 5)
    (out,) = measuring.exported(module, x)()
    torch.testing.assert_close(torch.from_numpy(out), module(x).detach())


@pytest.mark.parametrize("name", ["EMA", "EMCA"])
def test_every_layer_is_a_module_of_one_map(name):
    assert measuring.alone(LAYERS[name], 64)(torch.rand(1, 64, 8, 8)).ndim == 4
