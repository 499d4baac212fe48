"""EMA under torch's other ways of differentiating and tracing, against its definition."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap

from tests.layers.inputs import drawn, randomised
from tests.tolerance import TOLERANCE
from yolo_attn.layers.ema import EMA, definition


@pytest.fixture
def layer():
    return randomised(EMA(8, 2)).double()


@pytest.fixture
def x():
    return drawn((2, 8, 3, 4))


def plain(layer):
    return lambda x: definition(x, layer.conv1x1, layer.gn, layer.conv3x3)


def assert_equal(found, expected):
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("size", [(3, 4), (1, 1), (1, 5)], ids="{0[0]}x{0[1]}".format)
def test_second_derivatives_equal_those_of_the_definition(layer, size):
    x = drawn((2, 8, *size)).requires_grad_()
    inputs = [x, *layer.parameters()]

    def second(function):
        first = torch.autograd.grad(function(x).square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(gradient.square().sum() for gradient in first), inputs)

    assert_equal(second(layer), second(plain(layer)))


def test_second_derivatives_equal_finite_differences(layer):
    assert torch.autograd.gradgradcheck(layer, drawn((1, 8, 2, 3)).requires_grad_())


def test_a_frozen_layer_has_second_derivatives(layer, x):
    layer.requires_grad_(False)
    x.requires_grad_()
    second = []
    for function in (layer, plain(layer)):
        (first,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), x))
    assert_equal(*second)


@pytest.mark.parametrize("transform", [jacrev, jacfwd])
def test_jacobians_equal_those_of_the_definition(transform, layer, x):
    assert_equal(transform(layer)(x), transform(plain(layer))(x))


def test_vmap_equals_a_loop(layer):
    stacked = drawn((3, 2, 8, 3, 4))
    assert_equal(vmap(layer)(stacked), torch.stack([layer(x) for x in stacked]))


def test_gradients_of_each_image_equal_a_loop(layer, x):
    parameters = dict(layer.named_parameters())
    loss = lambda parameters, image: functional_call(layer, parameters, (image[None],)).square().sum()  # noqa: E731
    found = vmap(grad(loss), (None, 0))(parameters, x)
    for number, image in enumerate(x):
        expected = torch.autograd.grad(layer(image[None]).square().sum(), list(parameters.values()))
        assert_equal([gradient[number] for gradient in found.values()], list(expected))


def test_forward_mode_equals_the_jacobian_times_the_tangent(layer, x):
    tangent = drawn(x.shape).flip(0)
    expected = (jacrev(plain(layer))(x) * tangent).sum((4, 5, 6, 7))
    assert_equal(jvp(layer, (x,), (tangent,))[1], expected)
    with forward_ad.dual_level():
        out = layer(forward_ad.make_dual(x, tangent))
        assert_equal(forward_ad.unpack_dual(out).tangent, expected)


def test_a_symbolic_trace_holds_at_another_size(layer, x):
    traced = torch.fx.symbolic_trace(layer)
    for images in (x, drawn((3, 8, 5, 2))):
        assert_equal(traced(images), layer(images))


def test_torch_pruning_removes_whole_groups_and_leaves_a_model_that_trains():
    pruning = pytest.importorskip("torch_pruning")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3), EMA(32, 8), torch.nn.Conv2d(32, 4, 1))
    x = torch.rand(1, 3, 12, 12)
    graph = pruning.DependencyGraph().build_dependency(network, x)
    group = graph.get_pruning_group(network[0], pruning.prune_conv_out_channels, idxs=list(range(8, 16)))
    assert graph.check_pruning_group(group)
    group.prune()
    out = network(x)
    out.sum().backward()
    assert (network[0].out_channels, network[2].in_channels, out.shape[1]) == (24, 24, 4)
