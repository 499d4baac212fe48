"""What every layer promises. A layer added to LAYERS is tested here with no line of its own but a reference."""

import copy
import inspect
import io
import pickle

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from tests.reference import REFERENCES
from tests.tolerance import TOLERANCE
from yolo_attn.layers import LAYERS

CHANNELS = 128
SHAPES = [(2, CHANNELS, 6, 9), (1, CHANNELS, 7, 5), (1, CHANNELS, 1, 1), (2, CHANNELS, 1, 6), (1, CHANNELS, 5, 1)]
QUADRATIC = ("DMSA",)  # cost grows with (H * W)^2
# Half precision is slow on a CPU in attention and large convolutions; 12 * 320 values of 300 still overflow a half many times over.
SMALLER = dict.fromkeys((*QUADRATIC, "EPSA", "GAM"), (12, 320))
# Operators that every deployment runtime has. No If, Loop, NonZero or custom domain.
# fmt: off
COMMON = {
    "Abs", "Add", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Cos", "Div",
    "Equal", "Expand", "Flatten", "Gather", "Gemm", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
    "MatMul", "Mul", "Neg", "Pad", "Pow", "Range", "Reciprocal", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceSum",
    "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Transpose",
    "Unsqueeze", "Where",
}
# fmt: on
layers = pytest.mark.parametrize("name", LAYERS)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


def randomised(layer):
    """The layer with every parameter and statistic drawn, so that no zero or one hides a term."""
    state = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=state) / max(1, parameter[0].numel()) ** 0.5)
        for key, buffer in layer.named_buffers():
            if buffer.is_floating_point():
                drawn = torch.rand(buffer.shape, generator=state)
                buffer.copy_(drawn + 0.5 if key.endswith("var") else drawn)
    return layer


class FromOneMap(nn.Module):
    """A layer of several sources as one of x: the others are x at half its size with half its channels, and a part of x."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(maps_of(x))


def maps_of(x):
    return [x, x[:, ::2, ::2, ::2], x[:, : CHANNELS // 3]]


def built(name, dtype=torch.float64):
    if getattr(LAYERS[name], "multi_source", False):
        layer = FromOneMap(LAYERS[name]([CHANNELS, CHANNELS // 2, CHANNELS // 3]))
    else:
        layer = LAYERS[name](CHANNELS)
    return randomised(layer).to(dtype).eval()


def reference(name, layer):
    """The reference as a function of x, with the layer's parameters."""
    several = isinstance(layer, FromOneMap)
    inner = layer.layer if several else layer
    state = {**dict(inner.named_buffers()), **dict(inner.named_parameters())}
    return lambda x: REFERENCES[name](maps_of(x) if several else x, state)


def drawn(shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def forward_and_gradients(function, x, parameters):
    """The output, then the gradients of a weighted sum of it by x and by each parameter."""
    x = x.detach().clone().requires_grad_()
    out = function(x)
    # Permuted, so that the gradient that comes in is not contiguous.
    weights = drawn(out.shape[::-1]).permute(3, 2, 1, 0).to(out)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), [x, *parameters])]


def test_every_layer_has_a_reference():
    assert set(REFERENCES) == set(LAYERS)


@shapes
@layers
def test_forward_and_gradients_equal_the_reference(name, shape):
    layer, x = built(name), drawn(shape)
    ours = forward_and_gradients(layer, x, list(layer.parameters()))
    theirs = forward_and_gradients(reference(name, layer), x, list(layer.parameters()))
    torch.testing.assert_close(ours, theirs, **TOLERANCE[torch.float64])


@shapes
@layers
def test_the_output_is_the_same_with_and_without_gradients(name, shape):
    layer, x = built(name), drawn(shape)
    with torch.no_grad():
        alone = layer(x)
    torch.testing.assert_close(layer(x).detach(), alone, **TOLERANCE[torch.float64])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@shapes
@layers
def test_shape_and_dtype_are_kept(name, shape, dtype):
    out = built(name, dtype)(drawn(shape, dtype))
    assert (out.shape, out.dtype) == (shape, dtype)


@layers
def test_images_in_a_batch_do_not_see_each_other(name):
    layer, x = built(name), drawn((3, CHANNELS, 7, 12))
    alone = torch.cat([layer(image[None]) for image in x])
    torch.testing.assert_close(layer(x), alone, **TOLERANCE[torch.float64])


@layers
def test_the_input_is_not_written_into_even_with_inplace_activations(name):
    layer, x = built(name), drawn(SHAPES[0])
    before = layer(x)
    for module in layer.modules():
        if hasattr(module, "inplace"):
            module.inplace = True  # as Ultralytics does on loading
    kept = x.clone()
    out = forward_and_gradients(layer, x, [])[0]
    with torch.no_grad():
        layer(x)
    assert torch.equal(x, kept)
    torch.testing.assert_close(out, before.detach(), **TOLERANCE[torch.float64])


@layers
def test_channels_last_memory_gives_the_same_values(name):
    layer, x = built(name), drawn(SHAPES[0])
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x), **TOLERANCE[torch.float64])


@layers
def test_every_parameter_is_trained(name):
    layer = built(name, torch.float32).train()
    layer(drawn(SHAPES[0], torch.float32)).square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in layer.named_parameters()}
    dead = [key for key, grad in gradients.items() if grad is None or not grad.any() or not grad.isfinite().all()]
    assert dead == []


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


@layers
def test_a_large_map_of_large_values_stays_finite_in_half_precision(name):
    size = SMALLER.get(name, (96, 640))
    layer, x = built(name, torch.float16), drawn((1, CHANNELS, *size), torch.float16) * 30 + 300
    with torch.no_grad():
        assert layer(x).isfinite().all()


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
    ours = {*vars(layer), *layer._parameters, *layer._modules, *layer._buffers, *vars(type(layer))}
    assert ours & {"f", "i", "np", "type"} == set()


@layers
def test_the_first_line_gives_shapes_and_the_file_its_source(name):
    assert inspect.getdoc(LAYERS[name]).splitlines()[0].count("(B, C, H, W)") >= 1
    assert "https://arxiv.org/abs/" in inspect.getmodule(LAYERS[name]).__doc__


@layers
def test_constructor_arguments_are_annotated_with_plain_types(name):
    parameters = inspect.signature(LAYERS[name]).parameters.values()
    arguments = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    several = getattr(LAYERS[name], "multi_source", False)
    assert (arguments[0].name, arguments[0].annotation) == ("channels", "list[int]" if several else "int")
    assert {argument.annotation for argument in arguments[1:]} <= {"int", "float", "bool", "str", int, float, bool, str}
    assert all(argument.default is not argument.empty for argument in arguments[1:])


@layers
def test_a_torchscript_trace_holds_at_another_size_and_batch(name):
    layer = built(name)
    traced = torch.jit.trace(layer, drawn(SHAPES[0]), check_trace=False)
    x = drawn((3, CHANNELS, 5, 12))
    torch.testing.assert_close(traced(x), layer(x), **TOLERANCE[torch.float64])


@layers
def test_onnx_holds_at_other_sizes_and_uses_common_operators(name, tmp_path):
    layer, file = built(name, torch.float32), tmp_path / "layer.onnx"
    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        layer,
        (drawn(SHAPES[0], torch.float32),),
        file,
        dynamo=False,
        opset_version=17,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": axes, "y": axes},
    )
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
        ours = forward_and_gradients(layer, x, list(layer.parameters()))
    theirs = forward_and_gradients(exact, x.double(), list(exact.parameters()))
    for our, their in zip(ours, theirs, strict=True):
        scale = their.abs().max().clamp(min=1)  # parameters' gradients are sums over the map
        torch.testing.assert_close(our.double() / scale, their / scale, **TOLERANCE[dtype])
