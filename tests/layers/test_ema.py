"""EMA's cheap forms against its plain form."""

import pytest
import torch

from tests.layers.test_contract import drawn, forward_and_gradients, randomised
from tests.reference.ema import PlainEMA
from tests.tolerance import TOLERANCE
from yolo_attn.layers.ema import EMA, _Pool, _Weigh


def both_forms(channels, factor):
    plain = randomised(PlainEMA(channels, factor)).double()
    cheap = EMA(channels, factor).double()
    cheap.load_state_dict(plain.state_dict())
    return cheap, plain


SIZES = [(1, 1), (1, 2), (1, 9), (2, 1), (2, 2), (3, 5), (16, 11)]
sizes = pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
widths = pytest.mark.parametrize(("channels", "factor"), [(24, 1), (24, 4), (24, 24), (96, 32)])


@sizes
@widths
def test_the_cheap_form_equals_the_plain_form_forward_and_backward(channels, factor, size):
    cheap, plain = both_forms(channels, factor)
    x = drawn((2, channels, *size))
    ours = forward_and_gradients(cheap, x, list(cheap.parameters()))
    theirs = forward_and_gradients(plain, x, list(plain.parameters()))
    torch.testing.assert_close(ours, theirs, **TOLERANCE[torch.float64])


@sizes
@widths
def test_the_exported_form_equals_the_plain_form(channels, factor, size, monkeypatch):
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    exported, plain = both_forms(channels, factor)
    x = drawn((2, channels, *size))
    torch.testing.assert_close(exported(x), plain(x), **TOLERANCE[torch.float64])


def test_the_gradient_is_that_of_finite_differences():
    cheap, _ = both_forms(8, 2)
    x = drawn((1, 8, 3, 4)).requires_grad_()
    groups = x.view(2, 4, 3, 4)
    assert torch.autograd.gradcheck(cheap, x)
    assert torch.autograd.gradcheck(_Pool.apply, groups)
    sizes = [(2, 4, 3), (2, 4, 4), (2, 4), (9, 4), (2,)]
    arguments = [drawn(size).sigmoid().requires_grad_() for size in sizes]
    assert torch.autograd.gradcheck(_Weigh.apply, (groups, *arguments, 1e-5))


def test_a_graph_kept_for_a_second_backward_gives_the_same_gradient():
    cheap, _ = both_forms(24, 4)
    x = drawn((2, 24, 5, 6)).requires_grad_()
    out = cheap(x).square().sum()
    first = torch.autograd.grad(out, [x, *cheap.parameters()], retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(out, [x, *cheap.parameters()]), first, rtol=0, atol=0)


@pytest.mark.parametrize("frozen", ["input", "parameters"])
def test_a_frozen_part_leaves_the_gradient_of_the_other_unchanged(frozen):
    cheap, plain = both_forms(24, 4)
    x = drawn((2, 24, 5, 6)).requires_grad_(frozen == "parameters")
    asked = []
    for form in (cheap, plain):
        form.requires_grad_(frozen == "input")
        asked.append(
            torch.autograd.grad(form(x).square().sum(), [x] if frozen == "parameters" else [*form.parameters()])
        )
    torch.testing.assert_close(*asked, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("exported", [False, True], ids=["eager", "exported"])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_keeps_its_precision_when_the_mean_is_far_from_zero(offset, exported, monkeypatch):
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: exported)
    cheap, plain = both_forms(64, 8)
    x = drawn((1, 64, 40, 40)) + offset
    exact = plain(x)
    error = (cheap.float()(x.float()) - exact).abs().max()
    plain_error = (plain.float()(x.float()) - exact).abs().max()
    assert error <= 4 * plain_error + TOLERANCE[torch.float32]["atol"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_follows_float64(dtype):
    cheap, plain = both_forms(64, 8)
    x = drawn((2, 64, 20, 31), dtype)
    torch.testing.assert_close(cheap.to(dtype)(x).double(), plain(x.double()), **TOLERANCE[dtype])


def test_a_constant_map_has_a_finite_gradient():
    cheap, plain = both_forms(24, 4)
    x = torch.full((1, 24, 6, 7), 3.0, dtype=torch.float64)
    ours = forward_and_gradients(cheap, x, list(cheap.parameters()))
    theirs = forward_and_gradients(plain, x, list(plain.parameters()))
    torch.testing.assert_close(ours, theirs, **TOLERANCE[torch.float64])
