"""EMA's three forms against its definition, and which form is taken when."""

import io

import onnx
import pytest
import torch

from tests.layers.inputs import assert_equal_with_gradients, drawn, forward_and_gradients, randomised
from tests.reference.ema import ema
from tests.tolerance import TOLERANCE
from yolo_attn.layers import _ema_compiled, _ema_inference, _ema_onnx, _ema_training
from yolo_attn.layers.ema import EMA, definition

SIZES = [(1, 1), (1, 2), (1, 9), (2, 1), (2, 2), (3, 5), (16, 11)]
MODULES = [_ema_inference, _ema_training, _ema_onnx]
FORMS = [module.gated for module in MODULES]
IDS = ["inference", "training", "onnx"]
sizes = pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
widths = pytest.mark.parametrize(("channels", "factor"), [(24, 1), (24, 4), (24, 24), (96, 32)])
has_operators = hasattr(torch.compiler, "is_exporting")
needs_operators = pytest.mark.skipif(not has_operators, reason="torch before 2.7")
forms = pytest.mark.parametrize("form", FORMS, ids=IDS)


def bound(form, layer):
    """The form as a function of x, with the layer's parameters."""
    return lambda x: form(x, layer.conv1x1, layer.gn, layer.conv3x3)


def built(channels, factor):
    return randomised(EMA(channels, factor)).double()


@sizes
@widths
def test_the_definition_is_the_papers(channels, factor, size):
    layer, x = built(channels, factor), drawn((2, channels, *size))
    paper = lambda x: ema(x, dict(layer.named_parameters()))  # noqa: E731
    assert_equal_with_gradients(bound(definition, layer), paper, x, layer.parameters())


@sizes
@widths
@forms
def test_a_form_equals_the_definition(form, channels, factor, size):
    layer, x = built(channels, factor), drawn((2, channels, *size))
    with torch.no_grad():
        found, expected = bound(form, layer)(x), bound(definition, layer)(x)
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float64])


@sizes
@widths
@pytest.mark.parametrize("traced", [False, True], ids=["training", "traced"])
def test_the_backward_equals_that_of_the_definition(traced, channels, factor, size, monkeypatch):
    monkeypatch.setattr(_ema_inference, "is_traced", lambda: traced)
    layer, x = built(channels, factor), drawn((2, channels, *size))
    form = _ema_inference.gated if traced else _ema_training.gated  # what a compiler differentiates by itself
    assert_equal_with_gradients(bound(form, layer), bound(definition, layer), x, layer.parameters())


def test_the_layer_takes_the_form_that_suits_the_caller(monkeypatch):
    taken = []
    for module, name in {**dict(zip(MODULES, IDS, strict=True)), _ema_compiled: "compiled"}.items():
        recorded = lambda x, *weights, name=name: taken.append(name) or x * 1  # noqa: E731
        monkeypatch.setattr(module, "gated", recorded)
    layer, x = EMA(24, 4), torch.rand(2, 24, 5, 6)
    layer(x)
    with torch.no_grad():
        layer(x)
    torch.jit.trace(layer, x, check_trace=False)
    with monkeypatch.context() as exporting:
        exporting.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
        layer(x)
    with monkeypatch.context() as compiling:
        compiling.setattr(torch.compiler, "is_compiling", lambda: True)
        layer(x)
        compiling.setattr(torch.compiler, "is_exporting", lambda: True, raising=False)
        layer(x)
        with torch.no_grad():
            layer(x)
    compiled = "compiled" if has_operators else "inference"
    assert taken == ["training", "inference", "inference", "onnx", compiled, "inference", "inference"]


@sizes
@widths
@needs_operators
def test_the_operators_for_compiled_training_equal_the_definition(channels, factor, size):
    layer, x = built(channels, factor), drawn((2, channels, *size))
    assert_equal_with_gradients(bound(_ema_compiled.gated, layer), bound(definition, layer), x, layer.parameters())


@pytest.mark.slow
def test_compiled_training_equals_the_definition():
    layer, x = randomised(EMA(24, 4)), drawn((2, 24, 5, 6), torch.float32)
    compiled = torch.compile(layer, fullgraph=True)
    expected = forward_and_gradients(bound(definition, layer), x, list(layer.parameters()))
    torch.testing.assert_close(
        forward_and_gradients(compiled, x, list(layer.parameters())), expected, **TOLERANCE[torch.float32]
    )


@needs_operators
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_compiler_is_told_the_right_shapes(dtype):
    x = torch.rand(4, 6, 3, 5, dtype=dtype)
    inputs = x, x.mean(3), x.mean(2), *(torch.rand(shape) for shape in ((4, 6), (6, 9)))
    inputs = (*inputs[:-1], inputs[-1].t(), torch.rand(4))  # the kernel comes as a transpose
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(_ema_compiled._weighted, (*inputs, 1e-5), test_utils=tests)
    saved = _ema_compiled._weighted(*inputs, 1e-5)
    torch.library.opcheck(_ema_compiled._gradients, (x, *inputs, *saved[1:]), test_utils=tests)


def test_the_exported_graph_is_small_and_names_the_instance_norm():
    file, axes = io.BytesIO(), {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axes, "y": axes}}
    torch.onnx.export(EMA(128).eval(), (torch.rand(1, 128, 20, 28),), file, dynamo=False, opset_version=17, **names)
    operators = [node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node]
    assert operators.count("InstanceNormalization") == operators.count("ConvTranspose") == 1
    assert len(operators) - operators.count("Constant") <= 47


def test_a_checkpoint_names_the_parameters_as_that_of_the_authors():
    k = 4
    shapes = {key: tuple(value.shape) for key, value in EMA(8, 2).state_dict().items()}
    assert shapes == {
        "conv1x1.weight": (k, k, 1, 1),
        "conv1x1.bias": (k,),
        "gn.weight": (k,),
        "gn.bias": (k,),
        "conv3x3.weight": (k, k, 3, 3),
        "conv3x3.bias": (k,),
    }


def test_the_gradient_is_that_of_finite_differences():
    layer = built(8, 2)
    x = drawn((1, 8, 3, 4)).requires_grad_()
    groups = x.view(2, 4, 3, 4)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradcheck(_ema_training.Pool.apply, groups)
    shapes = [(2, 4, 3), (2, 4, 4), (2, 4), (9, 4), (2,)]
    arguments = [drawn(shape).sigmoid().requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(_ema_training.Weigh.apply, (groups, *arguments, 1e-5))


def test_a_graph_kept_for_a_second_backward_gives_the_same_gradient():
    layer = built(24, 4)
    x = drawn((2, 24, 5, 6)).requires_grad_()
    out = layer(x).square().sum()
    first = torch.autograd.grad(out, [x, *layer.parameters()], retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(out, [x, *layer.parameters()]), first, rtol=0, atol=0)


@pytest.mark.parametrize("frozen", ["input", "parameters"])
def test_a_frozen_part_leaves_the_gradient_of_the_other_unchanged(frozen):
    layer = built(24, 4).requires_grad_(frozen == "input")
    x = drawn((2, 24, 5, 6)).requires_grad_(frozen == "parameters")
    wanted = [x] if frozen == "parameters" else list(layer.parameters())
    found, expected = (
        torch.autograd.grad(bound(form, layer)(x).square().sum(), wanted) for form in (_ema_training.gated, definition)
    )
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float64])


@forms
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_keeps_its_precision_when_the_mean_is_far_from_zero(offset, form):
    layer, x = built(64, 8), drawn((1, 64, 40, 40)) + offset
    with torch.no_grad():
        exact = bound(definition, layer)(x)
        layer = layer.float()
        error, definition_error = ((bound(f, layer)(x.float()) - exact).abs().max() for f in (form, definition))
    assert error <= 4 * definition_error + TOLERANCE[torch.float32]["atol"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_follows_float64(dtype):
    layer, x = built(64, 8), drawn((2, 64, 20, 31), dtype)
    exact = bound(definition, layer)(x.double()).detach()
    layer = layer.to(dtype)
    torch.testing.assert_close(bound(_ema_training.gated, layer)(x).double().detach(), exact, **TOLERANCE[dtype])
    with torch.no_grad():
        torch.testing.assert_close(bound(_ema_inference.gated, layer)(x).double(), exact, **TOLERANCE[dtype])


def test_a_constant_map_has_a_finite_gradient():
    layer = built(24, 4)
    x = torch.full((1, 24, 6, 7), 3.0, dtype=torch.float64)
    assert_equal_with_gradients(bound(_ema_training.gated, layer), bound(definition, layer), x, layer.parameters())
