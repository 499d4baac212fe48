"""DMSA's variants, and its steps on weights that make them plain. The contract tests see the defaults."""

import copy

import onnxruntime
import pytest
import torch
from torch import nn

from tests.layers.inputs import assert_equal_with_gradients, drawn, randomised, state_of
from tests.reference.dmsa import dmsa
from tests.tolerance import TOLERANCE
from yolo_attn.layers.dmsa import DMSA, FULLY_CONNECTED, NORMS

VARIANTS = [  # groups, fusion, norm, fc
    *((2, "concat", norm, "affine") for norm in NORMS),
    *((2, "concat", "instance", fc) for fc in FULLY_CONNECTED[1:]),
    (2, "sum", "instance", "affine"),
    (1, "sum", "switchable", "none"),
    (1, "concat", "batch", "conv1x1"),
    (3, "concat", "group", "affine"),
]
variants = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant)))
WIDTH = 48


def built(variant, stride=1, dtype=torch.float64):
    return randomised(DMSA(WIDTH, *variant, stride=stride)).to(dtype).eval()


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@variants
def test_forward_and_gradients_equal_the_reference(variant, training):
    layer = built(variant).train(training)
    _, fusion, norm, _ = variant
    for shape in [(3, WIDTH, 6, 5), (1, WIDTH, 1, 1)]:
        state = state_of(layer)
        assert_equal_with_gradients(layer, lambda x: dmsa(x, state, fusion, norm), drawn(shape), layer.parameters())  # noqa: B023


@pytest.mark.parametrize("size", [(6, 9), (7, 7), (1, 1)], ids="{0[0]}x{0[1]}".format)
def test_a_stride_equals_the_reference(size):
    layer, x = built((2,), stride=2), drawn((2, WIDTH, *size))
    state = state_of(layer)
    assert_equal_with_gradients(layer, lambda x: dmsa(x, state, stride=2), x, layer.parameters())


def plain(fusion="concat") -> DMSA:
    """Both convolutions keep their input, no channel and no pixel sees another, and every gate is a half."""
    layer = DMSA(8, 2, fusion).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        nn.init.dirac_(layer.conv3x3.weight)
        nn.init.dirac_(layer.conv5x5.weight)
    return layer


def test_equal_scales_get_half_of_the_weight_each_and_take_turns():
    """Channels 0 to 3 are the first scale, 4 to 7 the second; the groups are then 0 4 1 5 and 2 6 3 7, the second half of each gated."""
    x = torch.arange(8.0, dtype=torch.float64)[None, :, None, None].expand(1, 8, 2, 3)
    out = plain()(x)[0, :, 0, 0]
    fused = [0 / 2, 4 / 2, 1 / 4, 5 / 4, 2 / 2, 6 / 2, 3 / 4, 7 / 4]
    assert out.tolist() == [fused[0], fused[4], fused[1], fused[5], fused[2], fused[6], fused[3], fused[7]]


def test_a_sum_of_the_scales_is_read_by_both_branches():
    """The sums of the scales are 2, 3, 4 and 5 after halving; each group of two goes ungated, then gated by a half."""
    x = torch.arange(8.0, dtype=torch.float64)[None, :, None, None].expand(1, 8, 2, 3)
    halves = [2, 3, 1, 1.5, 4, 5, 2, 2.5]
    expected = [halves[place // 2 + 4 * (place % 2)] for place in range(8)]
    assert plain("sum")(x)[0, :, 0, 0].tolist() == expected


@variants
def test_the_weights_of_the_scales_sum_to_one(variant):
    weights = built(variant)._weights(drawn((3, 2, WIDTH // 2)))
    torch.testing.assert_close(weights.sum(1), torch.ones(3, WIDTH // 2).double())
    assert 1 / (1 + torch.e) < weights.min() and weights.max() < torch.e / (
        1 + torch.e
    )  # of sigmoids, which differ by less than 1


@pytest.mark.parametrize("norm", ["batch", "switchable"])
def test_running_statistics_move_by_their_momentum_in_training_and_stay_in_evaluation(norm):
    layer, seen = built((2, "concat", norm)), []
    layer.norm.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    before = layer.norm.running_mean.clone()
    layer(drawn((2, WIDTH, 4, 5)))
    assert torch.equal(layer.norm.running_mean, before)
    layer.train()(drawn((2, WIDTH, 4, 5)))
    expected = 0.9 * before.flatten() + 0.1 * seen[1].transpose(0, 1).flatten(1).mean(1)
    torch.testing.assert_close(layer.norm.running_mean.flatten(), expected)


@variants
def test_half_precision_follows_float64_and_large_values_stay_finite(variant):
    layer, x = built(variant, dtype=torch.float32), drawn((2, WIDTH, 6, 9), torch.float32)
    exact = copy.deepcopy(layer).double()(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    torch.testing.assert_close(out.double(), exact, **TOLERANCE[torch.bfloat16])
    with torch.no_grad():
        assert layer.half()(drawn((1, WIDTH, 12, 160), torch.float16) * 30 + 300).isfinite().all()


@variants
def test_torchscript_and_onnx_hold_at_another_size_and_batch(variant, tmp_path):
    layer, first = built(variant, dtype=torch.float32), drawn((2, WIDTH, 6, 9), torch.float32)
    x = drawn((3, WIDTH, 5, 12), torch.float32)
    expected = layer(x).detach()
    traced = torch.jit.trace(layer, first, check_trace=False)
    torch.testing.assert_close(traced(x).detach(), expected, **TOLERANCE[torch.float32])
    axes = {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axes, "y": axes}}
    torch.onnx.export(layer, (first,), tmp_path / "layer.onnx", dynamo=False, opset_version=17, **names)
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx", providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(out), expected, **TOLERANCE[torch.float32])
