"""Counters of operations, and hooks on the parts of a layer, which its fast form may not call."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.layers.inputs import drawn, randomised
from tests.tolerance import TOLERANCE
from yolo_attn.layers.cbam import CBAM
from yolo_attn.layers.ema import EMA
from yolo_attn.layers.sa import SA

# EMA(24, 4) on (2, 24, 10, 12)
GROUPS, K, HEIGHT, WIDTH = 8, 6, 10, 12
PIXELS = HEIGHT * WIDTH
CONVOLUTIONS = GROUPS * (K * K * (HEIGHT + WIDTH) + 9 * K * K * PIXELS)  # of the paper's equations
BIASES = GROUPS * K * (HEIGHT + WIDTH + PIXELS)
PRODUCTS = GROUPS * 2 * K * PIXELS  # the two weighted sums of the paper

PARTS = [(EMA(8, 2), "conv1x1"), (EMA(8, 2), "conv3x3"), (CBAM(8, 2), "squeeze"), (SA(8, 2), "norm")]


@pytest.fixture
def ema():
    return EMA(24, 4), torch.rand(2, 24, HEIGHT, WIDTH)


@pytest.mark.parametrize(("layer", "part"), PARTS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_on_a_part_run_without_gradients_and_change_no_value(layer, part, register):
    randomised(layer).double()
    x, called = drawn((2, 8, 3, 4)), []
    with torch.no_grad():
        expected = layer(x)
        handle = getattr(layer.get_submodule(part), register)(lambda *_: called.append(True))
        found = layer(x)
    handle.remove()
    assert called
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("gradients", [False, True])
def test_the_counter_of_torch_counts_what_ema_computes(gradients, ema):
    layer, x = ema
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(gradients):
        layer(x)
    # Gates of rows and columns, means of the convolved branch, kernel, nine shifts, offset, weighted sum.
    least = K * K * (HEIGHT + WIDTH) + 9 * K * K + 9 * K * PIXELS + K * PIXELS
    assert 2 * GROUPS * least <= counter.get_total_flops() <= 2 * GROUPS * least * 1.02 + 2000


def test_thop_behind_ultralytics_gflops_counts_the_papers_ema(ema):
    thop = pytest.importorskip("thop")
    layer, x = ema
    found = thop.profile(layer, inputs=(x,), verbose=False)[0]
    assert found in (CONVOLUTIONS, CONVOLUTIONS + PRODUCTS)  # older versions know modules alone


def test_torchinfo_counts_the_papers_ema(ema):
    torchinfo = pytest.importorskip("torchinfo")
    layer, x = ema
    assert torchinfo.summary(layer, input_data=x, verbose=0).total_mult_adds == CONVOLUTIONS + BIASES


def test_fvcore_counts_the_papers_ema(ema):
    fvcore = pytest.importorskip("fvcore.nn")
    layer, x = ema
    with torch.no_grad():
        counted = fvcore.FlopCountAnalysis(layer, x).unsupported_ops_warnings(False).by_operator()
    assert counted["conv"] == CONVOLUTIONS


def test_counters_of_modules_see_cbams_bottleneck():
    thop, layer, x = pytest.importorskip("thop"), CBAM(16, 4), torch.rand(1, 16, HEIGHT, WIDTH)
    bottleneck, convolution = 2 * 2 * 16 * 4, 2 * 49 * PIXELS  # mean and maximum, two matrices each
    assert thop.profile(layer, inputs=(x,), verbose=False)[0] == bottleneck + convolution


def test_counters_of_modules_see_sas_norm():
    thop, torchinfo = pytest.importorskip("thop"), pytest.importorskip("torchinfo")
    layer, x = SA(24, 4), torch.rand(2, 24, HEIGHT, WIDTH)
    assert thop.profile(layer, inputs=(x,), verbose=False)[0] == 4 * 2 * 12 * PIXELS  # 4 operations a value of its half
    assert torchinfo.summary(layer, input_data=x, verbose=0).total_mult_adds == 2 * 4 * 2 * 3  # parameters a group
