"""Arguments that choose another form of a layer, against the same reference."""

import pytest
import torch

from tests.layers.inputs import assert_equal_with_gradients, drawn, forward_and_gradients, randomised, state_of
from tests.reference import reference_of
from tests.tolerance import TOLERANCE
from yolo_attn.layers import LAYERS


@pytest.mark.parametrize("size", [(6, 9), (7, 7), (1, 1)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("AAConv", (2, 5), {"heads": 2}),
        ("AAConv", (1, 7), {"heads": 1}),
        ("BAM", (16, 2, True), {"dilation": 2, "authors_code": True}),
        ("EPSA", (16, "3 5 5 7", "32 32 32 32"), {"groups": (32, 32, 32, 32)}),
        ("CAA", (5,), {}),
        ("ELA", (5, 8, 32), {"width": 8, "groups": 32}),
        ("FCA", (16, 1), {"frequencies": 1}),
        ("FCA", (8, 4), {"frequencies": 4}),
        ("GAM", (16, 4), {"groups": 4}),
        ("GAM", (8, 2, False), {"groups": 2}),
        ("GAM", (16, 1, True, False), {}),
        ("GC", (8,), {}),
        ("LSKA", (11, 2), {"dilation": 2}),
        ("LSKA", (35, 3), {}),
        ("MCA", (False,), {"by_channel": False}),
        ("MLCA", (3, 0.25), {"bins": 3, "local_weight": 0.25}),
        ("NAM", (True,), {"authors_code": True}),
        ("DoubleAttention", (4,), {}),
        ("NonLocal", (4,), {}),
        ("NonLocal", (2, True), {}),
        ("NonLocal", (2, False, True), {"divided": True}),
        ("SE", (8,), {}),
        ("SGE", (16,), {}),
        ("SimAM", (0.5,), {"regularization": 0.5}),
        ("TripletAttention", (3,), {}),
    ],
)
def test_forward_and_gradients_equal_the_reference(name, args, told, size):
    layer, x = randomised(LAYERS[name](128, *args)).double().eval(), drawn((2, 128, *size))
    state = state_of(layer)
    assert_equal_with_gradients(layer, lambda x: reference_of(name)(x, state, **told), x, layer.parameters())


def test_nam_gives_gamma_no_gradient_through_the_share_only_if_asked():
    formula, authors = (randomised(LAYERS["NAM"](16, authors_code)).double().eval() for authors_code in (False, True))
    x = drawn((2, 16, 5, 4))
    (out, *gradients), (same, *fewer) = (
        forward_and_gradients(form, x, [form.norm.weight]) for form in (formula, authors)
    )
    torch.testing.assert_close(out, same, **TOLERANCE[torch.float64])
    torch.testing.assert_close(gradients[0], fewer[0], **TOLERANCE[torch.float64])
    assert (gradients[1] - fewer[1]).abs().max() > 1e-3


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("authors_code", [False, True])
def test_nam_with_the_eps_of_ultralytics_equals_the_reference(authors_code, training):
    layer, x = randomised(LAYERS["NAM"](16, authors_code)).double().train(training), drawn((3, 16, 5, 4))
    layer.norm.eps = 1e-3
    state = state_of(layer)
    assert_equal_with_gradients(layer, lambda x: reference_of("NAM")(x, state, authors_code), x, layer.parameters())


def test_srm_trains_one_image_with_the_running_statistics_and_leaves_them_alone():
    layer, x = randomised(LAYERS["SRM"](16)).double(), drawn((1, 16, 5, 4))
    running = layer.norm.running_var.clone()
    torch.testing.assert_close(layer.train()(x), layer.eval()(x), **TOLERANCE[torch.float64])
    assert torch.equal(layer.norm.running_var, running)


def test_fca_with_the_lowest_frequency_alone_is_se_on_seven_times_the_mean():
    fca, se = randomised(LAYERS["FCA"](32, 4, 1)).double(), LAYERS["SE"](32, 4).double()
    se.load_state_dict({"squeeze.weight": 7 * fca.squeeze.weight, "expand.weight": fca.expand.weight})
    x = drawn((2, 32, 5, 8))
    torch.testing.assert_close(fca(x), se(x), **TOLERANCE[torch.float64])


@pytest.mark.parametrize("name", ["GC", "MCA", "SGE", "SRM", "SimAM"])
def test_a_constant_map_has_a_finite_gradient(name):
    layer = randomised(LAYERS[name](128)).double().eval()
    for value in (0.0, 3.0):
        x = torch.full((1, 128, 4, 6), value, dtype=torch.float64)
        assert all(tensor.isfinite().all() for tensor in forward_and_gradients(layer, x, list(layer.parameters())))


def test_fca_trains_on_a_size_that_it_first_saw_in_inference_mode():
    layer, x = LAYERS["FCA"](32), drawn((1, 32, 11, 13), torch.float32)
    with torch.inference_mode():
        seen = layer(x)
    out, *gradients = forward_and_gradients(layer, x, list(layer.parameters()))
    torch.testing.assert_close(out, seen.clone(), **TOLERANCE[torch.float32])
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(("name", "arguments"), [("NonLocal", ()), ("NonLocal", (2, True)), ("DoubleAttention", ())])
def test_blocks_that_add_start_as_the_identity_and_learn(name, arguments):
    layer, x = LAYERS[name](16, *arguments), drawn((2, 16, 5, 4), torch.float32)
    out, *gradients = forward_and_gradients(layer, x, list(layer.parameters()))
    torch.testing.assert_close(out, x, rtol=0, atol=0)
    assert sum(gradient.abs().max() > 1e-4 for gradient in gradients[1:]) == 2  # weight and bias of what starts at 0


def test_a_non_local_block_gives_each_pixel_the_mean_where_scores_are_equal():
    layer, x = randomised(LAYERS["NonLocal"](16)).double(), drawn((2, 16, 5, 4))
    torch.nn.init.zeros_(layer.query.weight)
    torch.nn.init.zeros_(layer.query.bias)
    mean = layer.value(x.mean((2, 3)))[:, :, None, None]
    torch.testing.assert_close(layer(x), x + layer.expand(mean), **TOLERANCE[torch.float64])


def test_an_augmented_convolution_with_a_stride_attends_to_means_of_three_by_three_pixels():
    layer, even = (randomised(LAYERS["AAConv"](32, 2, 5, stride)).double() for stride in (2, 1))
    x = drawn((2, 32, 7, 10))
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    inside = torch.nn.functional.conv2d(torch.ones_like(x[:, :1]), ones, stride=2, padding=1)
    means = torch.nn.functional.conv2d(x.flatten(0, 1)[:, None], ones, stride=2, padding=1).view(2, 32, 4, 5) / inside
    out = layer(x)
    torch.testing.assert_close(out[:, -2:], even(means)[:, -2:], **TOLERANCE[torch.float64])
    convolved = torch.nn.functional.conv2d(x, layer.conv.weight, stride=2, padding=1)
    torch.testing.assert_close(out[:, :-2], convolved, **TOLERANCE[torch.float64])
