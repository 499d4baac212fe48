"""What every layer promises. A layer added to LAYERS is tested here with no line of its own but a reference."""

import copy
import inspect
import io
import pickle
import warnings
from itertools import accumulate
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.profiler import ProfilerActivity, profile
from ultralytics.utils.torch_utils import initialize_weights

import yolo_attn.layers
from tests.layers.inputs import assert_equal_with_gradients, drawn, forward_and_gradients, randomised, state_of
from tests.reference import reference_of
from tests.tolerance import TOLERANCE
from yolo_attn.layers import LAYERS, is_multi_source

CHANNELS = 128
SHAPES = [(2, CHANNELS, 6, 9), (1, CHANNELS, 7, 5), (1, CHANNELS, 1, 1), (2, CHANNELS, 1, 6), (1, CHANNELS, 5, 1)]
WITHOUT_PARAMETERS = ("SimAM",)
UNBOUNDED_GATE = ("LSKA",)  # linear in x: the output holds squares of values, which overflow at 300
QUADRATIC = ("DMSA", "NonLocal")  # cost grows with (H * W)^2
# Half precision is slow on a CPU in attention and large convolutions; 12 * 320 values of 300 still overflow a half many times over.
SMALLER = dict.fromkeys((*QUADRATIC, "AAConv", "CAA", "DoubleAttention", "EPSA", "GAM", "LSKA"), (12, 320))
# Operators that every deployment runtime has. No If, Loop, NonZero or custom domain, and no ReduceL2, which MNN and TensorFlow get wrong.
# fmt: off
COMMON = {
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape",
    "Conv", "ConvTranspose", "Cos", "Div", "Equal", "Expand", "Flatten", "Gather", "Gemm", "HardSigmoid",
    "HardSwish", "Identity", "InstanceNormalization", "MatMul", "Mul", "Neg", "Pad", "Pow", "Range",
    "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid",
    "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Transpose", "Unsqueeze", "Where",
}
# fmt: on
# Parameters of the papers without effect in training: one number for all scores of a softmax, or a bias before a BatchNorm.
WITHOUT_EFFECT: dict[str, set[str]] = {
    "BAM": {"squeeze.bias", "pixels.0.bias", "pixels.3.bias", "pixels.6.bias"},
    "CA": {"squeeze.bias"},
    "CAA": {"column.bias"},
    "DMSA": {"key.bias"},
    "DoubleAttention": {"gather.bias"},
    "GC": {"score.bias"},
    "NonLocal": {"key.bias"},
}
layers = pytest.mark.parametrize("name", LAYERS)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


class FromOneMap(nn.Module):
    """A layer of several sources as one of x: the others are x at half its size with half its channels, and a part of x."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(feature_maps_of(x))


def feature_maps_of(x):
    return [x, x[:, ::2, ::2, ::2], x[:, : CHANNELS // 3]]


def built(name, dtype=torch.float64):
    several = is_multi_source(LAYERS[name])
    widths = [CHANNELS, CHANNELS // 2, CHANNELS // 3]
    layer = FromOneMap(LAYERS[name](widths)) if several else LAYERS[name](CHANNELS)
    return randomised(layer).to(dtype).eval()


def reference(name, layer):
    """The reference as a function of x, with the layer's parameters."""
    several = isinstance(layer, FromOneMap)
    inner = layer.layer if several else layer
    return lambda x: reference_of(name)(feature_maps_of(x) if several else x, state_of(inner))


def test_the_table_has_one_layer_of_every_public_file():
    files = [path.stem for path in Path(yolo_attn.layers.__file__).parent.glob("[!_]*.py")]
    modules = [layer.__module__ for layer in LAYERS.values()]
    assert sorted(modules) == sorted(f"yolo_attn.layers.{file}" for file in files)


@shapes
@layers
def test_forward_and_gradients_equal_the_reference(name, shape):
    layer, x = built(name), drawn(shape)
    assert_equal_with_gradients(layer, reference(name, layer), x, layer.parameters())


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@layers
def test_a_layer_set_up_by_ultralytics_equals_the_reference(name, training):
    layer = built(name)
    initialize_weights(layer)  # as every model that is built: eps 1e-3 and momentum 0.03 for a BatchNorm2d
    layer.train(training)
    for shape in [(3, CHANNELS, 6, 9), (1, CHANNELS, 7, 5)]:
        assert_equal_with_gradients(layer, reference(name, layer), drawn(shape), layer.parameters())


def batch_norms(layer):
    return {path: module for path, module in layer.named_modules() if isinstance(module, _BatchNorm)}


@pytest.mark.parametrize("name", [name for name in LAYERS if batch_norms(built(name))])
def test_statistics_stay_in_evaluation_and_move_by_their_momentum_in_training(name):
    layer, x, inputs = built(name), drawn((3, CHANNELS, 6, 9)), {}
    initialize_weights(layer)
    norms = batch_norms(layer)
    before = {path: norm.running_mean.clone() for path, norm in norms.items()}
    layer(x)
    for path, norm in norms.items():
        assert torch.equal(norm.running_mean, before[path])
        norm.register_forward_pre_hook(lambda _, arguments, path=path: inputs.update({path: arguments[0]}))
    layer.train()(x)
    for path, norm in norms.items():
        share = 0.03 if isinstance(norm, nn.BatchNorm2d) else 0.1  # torch's own momentum for pooled vectors
        mean = inputs[path].transpose(0, 1).flatten(1).mean(1)
        expected = (1 - share) * before[path] + share * mean
        torch.testing.assert_close(norm.running_mean, expected, **TOLERANCE[torch.float64])


@shapes
@layers
def test_the_output_is_the_same_with_and_without_gradients(name, shape):
    layer, x = built(name), drawn(shape)
    with torch.no_grad():
        without = layer(x)
    torch.testing.assert_close(layer(x).detach(), without, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@shapes
@layers
def test_shape_and_dtype_are_kept(name, shape, dtype):
    out = built(name, dtype)(drawn(shape, dtype))
    assert (out.shape, out.dtype) == (shape, dtype)


@layers
def test_images_in_a_batch_do_not_see_each_other(name):
    layer, x = built(name), drawn((3, CHANNELS, 7, 12))
    one_by_one = torch.cat([layer(image[None]) for image in x])
    torch.testing.assert_close(layer(x), one_by_one, **TOLERANCE[torch.float64])


@layers
def test_the_input_is_not_written_into_even_with_inplace_activations(name):
    layer, x = built(name), drawn(SHAPES[0])
    before = layer(x)
    for module in layer.modules():
        if hasattr(module, "inplace"):
            module.inplace = True  # as Ultralytics does on loading
    copied = x.clone()
    out = forward_and_gradients(layer, x, [])[0]
    with torch.no_grad():
        layer(x)
    assert torch.equal(x, copied)
    torch.testing.assert_close(out, before.detach(), **TOLERANCE[torch.float64])


@layers
def test_channels_last_memory_gives_the_same_values(name):
    layer, x = built(name), drawn(SHAPES[0])
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x), **TOLERANCE[torch.float64])


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in WITHOUT_PARAMETERS])
def test_every_parameter_is_trained(name):
    layer = built(name).train()
    layer(drawn(SHAPES[0])).square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in layer.named_parameters()}
    dead = {key for key, gradient in gradients.items() if gradient is None or not gradient.abs().max() > 1e-9}
    assert dead == WITHOUT_EFFECT.get(name, set())


@layers
def test_one_image_is_enough_for_a_training_step(name):
    layer, x = built(name, torch.float32).train(), drawn(SHAPES[1], torch.float32)
    assert all(tensor.isfinite().all() for tensor in forward_and_gradients(layer, x, list(layer.parameters())))
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@layers
def test_autocast_follows_float64_and_its_gradients_are_finite(name, dtype):
    layer, x = built(name, torch.float32), drawn(SHAPES[0], dtype)
    exact = copy.deepcopy(layer).double()(x.double())
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    out.sum().backward()
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), exact, **TOLERANCE[torch.bfloat16])
    assert all(tensor.grad.isfinite().all() for tensor in (x, *layer.parameters()))


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in UNBOUNDED_GATE])
def test_a_large_map_of_large_values_stays_finite_in_half_precision(name):
    size = SMALLER.get(name, (96, 640))
    layer, x = built(name, torch.float16), drawn((1, CHANNELS, *size), torch.float16) * 30 + 300
    with torch.no_grad():
        assert layer(x).isfinite().all()


@pytest.mark.parametrize(
    ("name", "arguments", "side", "share"),
    [*((name, (), 96, 1 / 4) for name in QUADRATIC), ("AAConv", (1,), 64, 1 / 2)],  # with one head
)
def test_the_scores_of_all_pairs_of_pixels_are_never_held(name, arguments, side, share):
    layer, x = randomised(LAYERS[name](64, *arguments)), torch.randn(1, 64, side, side, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        layer(x).sum().backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    peak = max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
    assert peak < side**4 * x.element_size() * share  # of one image's scores


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), lambda layer: saved_and_loaded(layer)],
    ids=["deepcopy", "pickle", "torch.save"],
)
@layers
def test_a_copy_gives_equal_outputs(name, copied):
    layer, x = built(name), drawn(SHAPES[0])
    layer(x)  # a copy must work after use, too
    assert torch.equal(copied(layer)(x), layer(x))


def saved_and_loaded(layer):
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@layers
def test_names_that_ultralytics_overwrites_are_free(name):
    layer = built(name)
    layer = layer.layer if isinstance(layer, FromOneMap) else layer
    names = {*vars(layer), *layer._parameters, *layer._modules, *layer._buffers, *vars(type(layer))}
    assert names & {"f", "i", "np", "type"} == set()


@layers
def test_the_first_line_gives_shapes_and_the_file_its_source(name):
    assert inspect.getdoc(LAYERS[name]).splitlines()[0].count("(B, C, H, W)") >= 1
    papers = ("https://arxiv.org/abs/", "https://proceedings.mlr.press/", "https://doi.org/")
    assert any(paper in inspect.getmodule(LAYERS[name]).__doc__ for paper in papers)


@layers
def test_constructor_arguments_are_annotated_with_plain_types(name):
    parameters = inspect.signature(LAYERS[name]).parameters.values()
    arguments = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    several = is_multi_source(LAYERS[name])
    assert (arguments[0].name, arguments[0].annotation) == ("channels", list[int] if several else int)
    assert {argument.annotation for argument in arguments[1:]} <= {int, float, bool, str}
    assert all(argument.default is not argument.empty for argument in arguments[1:])


@layers
def test_a_torchscript_trace_holds_at_another_size_and_batch(name):
    layer = built(name)
    traced = torch.jit.trace(layer, drawn(SHAPES[0]), check_trace=False)
    x = drawn((3, CHANNELS, 5, 12))
    torch.testing.assert_close(traced(x), layer(x), **TOLERANCE[torch.float64])


@layers
def test_onnx_holds_at_other_sizes_uses_common_operators_and_warns_of_nothing(name, tmp_path):
    layer, file = built(name, torch.float32), tmp_path / "layer.onnx"
    axes = {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axes, "y": axes}}
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        torch.onnx.export(layer, (drawn(SHAPES[0], torch.float32),), file, dynamo=False, opset_version=17, **names)
    # Ultralytics hides the tracer's warnings, of another category, on every export. What else is raised a user sees.
    assert [str(warning.message) for warning in raised if warning.category is UserWarning] == []
    assert {node.op_type for node in onnx.load(file).graph.node} - COMMON == set()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for shape in [(3, CHANNELS, 5, 12), (1, CHANNELS, 1, 1), (1, CHANNELS, 1, 7)]:  # one export, it is the slow part
        x = drawn(shape, torch.float32)
        (out,) = session.run(None, {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(out), layer(x).detach(), **TOLERANCE[torch.float32])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@layers
def test_cuda_autocast_follows_float64_forward_and_backward(name, dtype):
    layer = built(name, torch.float32).cuda()
    x = drawn((2, CHANNELS, 20, 31), dtype).cuda()
    exact = copy.deepcopy(layer).double()
    with torch.autocast("cuda", dtype):
        found = forward_and_gradients(layer, x, list(layer.parameters()))
    expected = forward_and_gradients(exact, x.double(), list(exact.parameters()))
    for tensor, exact_tensor in zip(found, expected, strict=True):
        scale = exact_tensor.abs().max().clamp(min=1)  # parameters' gradients are sums over the map
        torch.testing.assert_close(tensor.double() / scale, exact_tensor / scale, **TOLERANCE[dtype])
