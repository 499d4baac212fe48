"""The promises of a layer. Each is a function that returns what was measured, or raises `BrokenPromiseError` with it."""

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime
import torch
from torch import nn

SHAPES = ((2, 20, 20), (1, 7, 12), (2, 1, 6), (2, 1, 1), (1, 33, 5))  # batch, height, width
RELATIVE = 1e-4  # of the largest value, in float32
HALF = 5e-2


class BrokenPromiseError(Exception):
    """A promise is broken; the message says what was measured."""


@dataclass(frozen=True)
class Verdict:
    """One promise of one layer.

    Attributes:
        promise: What is promised.
        kept: Whether it is.
        measured: What was measured.
        change: What to change in the layer; empty where the promise is kept.
    """

    promise: str
    kept: bool
    measured: str
    change: str = ""


def verdicts(layer: nn.Module, channels: int) -> Iterator[Verdict]:
    """Check every promise of a layer with `channels` channels, each on a copy of it with parameters off their start values."""
    torch.manual_seed(0)
    layer = _moved_off_start(layer)
    for promise, (check, change) in PROMISES.items():
        try:
            yield Verdict(promise, True, check(copy.deepcopy(layer), channels))
        except BrokenPromiseError as broken:
            yield Verdict(promise, False, str(broken), change)
        except Exception as error:  # a layer of a user raises anything
            yield Verdict(promise, False, first_line(error), change)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, led by its type."""
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"[:160]


def _moved_off_start(layer: nn.Module) -> nn.Module:
    """Return a copy whose parameters all matter: a weight that starts at 0 hides what lies behind it."""
    layer = copy.deepcopy(layer).float()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return layer


def _draw(batch: int, channels: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(batch, channels, height, width)


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference relative to the largest expected value; infinite for unequal shapes and values that are not finite."""
    if found.shape != expected.shape or not found.isfinite().all():
        return float("inf")
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max().clamp(min=1e-12))


def _at_most(difference: float, limit: float, where: str = "") -> str:
    text = f"largest relative difference {difference:.0e}{where}"
    if not difference <= limit:
        raise BrokenPromiseError(f"{text}, allowed {limit:.0e}")
    return text


def _keeps_shapes(layer: nn.Module, channels: int) -> str:
    layer.eval()
    for batch, height, width in SHAPES:
        try:
            with torch.no_grad():
                out = layer(_draw(batch, channels, height, width))
        except Exception as error:
            raise BrokenPromiseError(f"a map of {height}x{width}: {first_line(error)}") from error
        if not isinstance(out, torch.Tensor) or out.shape != (batch, channels, height, width):
            given = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
            raise BrokenPromiseError(f"{(batch, channels, height, width)} became {given}")
    return "maps of " + ", ".join(f"{height}x{width}" for _, height, width in SHAPES)


def _keeps_images_apart(layer: nn.Module, channels: int) -> str:
    layer.eval()
    x = _draw(3, channels, 8, 12)
    with torch.no_grad():
        return _at_most(_difference(layer(x), torch.cat([layer(image[None]) for image in x])), RELATIVE)


def _is_still_in_evaluation(layer: nn.Module, channels: int) -> str:
    layer.eval()
    x, before = _draw(2, channels, 8, 12), {key: value.clone() for key, value in layer.state_dict().items()}
    with torch.no_grad():
        first, second = layer(x), layer(x)
    if not torch.equal(first, second):
        raise BrokenPromiseError("two passes of the same input differ")
    if changed := [key for key, value in layer.state_dict().items() if not torch.equal(value, before[key])]:
        raise BrokenPromiseError(f"a pass changes {changed[0]}")
    return "two passes are equal, nothing is written"


def _trains_on_one_image(layer: nn.Module, channels: int) -> str:
    out = layer.train()(_draw(1, channels, 7, 5))
    out.square().mean().backward()
    if bad := [key for key, value in layer.state_dict().items() if not value.isfinite().all()]:
        raise BrokenPromiseError(f"{bad[0]} is not finite after one step")
    return "a step with one image is finite"


def _uses_every_parameter(layer: nn.Module, channels: int) -> str:
    x = _draw(2, channels, 8, 12).requires_grad_()
    layer.train()(x).square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in layer.named_parameters()}
    unused = [key for key, gradient in gradients.items() if gradient is None]
    if unused:
        raise BrokenPromiseError(f"no gradient reaches {', '.join(unused[:3])}")
    if bad := [key for key, gradient in gradients.items() if gradient is not None and not gradient.isfinite().all()]:
        raise BrokenPromiseError(f"the gradient of {bad[0]} is not finite")
    if x.grad is None or not x.grad.abs().max() > 0:
        raise BrokenPromiseError("no gradient reaches the input")
    return f"{len(gradients)} parameters and the input have gradients"


def _leaves_its_input(layer: nn.Module, channels: int) -> str:
    layer.eval()
    x = _draw(2, channels, 8, 12)
    kept = x.clone()
    with torch.no_grad():
        layer(x)
    if not torch.equal(x, kept):
        raise BrokenPromiseError("a pass changes its input")
    return "the input is unchanged"


def _works_in_half_precision(layer: nn.Module, channels: int) -> str:
    layer.eval()
    halved = copy.deepcopy(layer).half()
    worst = 0.0
    for scale, offset in ((1, 0), (30, 300)):  # as behind a BatchNorm, and large: a sum or a square of these overflows
        x = (scale * _draw(1, channels, 40, 40) + offset).half()
        with torch.no_grad():
            exact, found = layer(x.float()), halved(x.clone())
        if found.dtype != torch.float16:
            raise BrokenPromiseError(f"float16 became {str(found.dtype).removeprefix('torch.')}")
        worst = max(worst, _difference(found.float(), exact))
        _at_most(worst, HALF, f" for values around {offset}")
    return _at_most(worst, HALF)


def _exports_to_onnx(layer: nn.Module, channels: int) -> str:
    layer.eval()
    axes = {0: "batch", 2: "height", 3: "width"}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, which Ultralytics hides as well
        file = Path(folder) / "layer.onnx"
        torch.onnx.export(
            layer,
            (_draw(2, channels, 8, 12),),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": axes, "y": axes},
        )
        session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, height, width in ((2, 8, 12), (1, 5, 9), (3, 20, 16)):
        x = _draw(batch, channels, height, width)
        try:
            (out,) = session.run(None, {"x": x.numpy()})
        except Exception as error:
            raise BrokenPromiseError(f"exported at 8x12, the file fails at {height}x{width}") from error
        with torch.no_grad():
            worst = max(worst, _difference(torch.from_numpy(out), layer(x)))
    return _at_most(worst, RELATIVE, " at three sizes")


def _traces_to_torchscript(layer: nn.Module, channels: int) -> str:
    layer.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(layer, _draw(2, channels, 8, 12), check_trace=False)
    x = _draw(1, channels, 5, 9)
    try:
        found = traced(x)
    except Exception as error:
        raise BrokenPromiseError("traced at 8x12, the file fails at 5x9") from error
    with torch.no_grad():
        return _at_most(_difference(found, layer(x)), RELATIVE, " at another size")


def _grows_with_the_map(layer: nn.Module, channels: int) -> str:
    small, large = (largest_tensor(layer, channels, side) for side in (16, 32))
    text = f"largest tensor {small:.1f} times the input at 16x16, {large:.1f} times at 32x32"
    if large > 1.5 * small and large > 2:
        raise BrokenPromiseError(text)
    return text


def largest_tensor(layer: nn.Module, channels: int, side: int) -> float:
    """Return the number of values in the largest tensor of a pass, relative to those of the input (1, channels, side, side)."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):
        most = 0

        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
            out = function(*arguments, **(keywords or {}))
            for leaf in tree_leaves(out):
                # A view, such as an expanded one, holds no memory of its own.
                if isinstance(leaf, torch.Tensor):
                    self.most = max(self.most, leaf.untyped_storage().nbytes() // leaf.element_size())
            return out

    x = _draw(1, channels, side, side)
    with torch.no_grad(), Watch() as watch:
        layer.eval()(x)
    return watch.most / x.numel()


PROMISES: dict[str, tuple[Callable[[nn.Module, int], str], str]] = {
    "keeps the shape at any size": (
        _keeps_shapes,
        "read sizes from x.shape, pool with AdaptiveAvgPool2d or mean, and let no weight have the size of a map",
    ),
    "keeps the images of a batch apart": (
        _keeps_images_apart,
        "take means and softmax over channels, height and width; never over dimension 0, nor over a reshape that holds it",
    ),
    "is still in evaluation": (
        _is_still_in_evaluation,
        "draw random numbers and update buffers only if self.training",
    ),
    "trains on one image": (
        _trains_on_one_image,
        "a BatchNorm of a pooled vector has one value for each channel then; use GroupNorm, LayerNorm or none there",
    ),
    "uses every parameter": (
        _uses_every_parameter,
        "remove the branch that forward does not use; training on several GPUs stops at it",
    ),
    "leaves its input as it is": (
        _leaves_its_input,
        "write x * gate for x.mul_(gate), and inplace=True only on values that the layer computed itself",
    ),
    "works in half precision": (
        _works_in_half_precision,
        "take sums and squares in float32, x.float().mean(...), and return to x.dtype; create tensors with dtype=x.dtype",
    ),
    "exports to ONNX at any size": (
        _exports_to_onnx,
        "a size that becomes a Python number is fixed in the file: no int(x.shape[2]), no loop over sizes; use mean, flatten, -1",
    ),
    "traces to TorchScript": (
        _traces_to_torchscript,
        "as for ONNX: let no Python number of a size decide what is computed",
    ),
    "needs memory in proportion to the map": (
        _grows_with_the_map,
        "a score for each pair of pixels is H*W times H*W; pool keys and values, attend in windows, or use "
        "scaled_dot_product_attention",
    ),
}
