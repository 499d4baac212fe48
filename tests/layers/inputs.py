"""What the tests of the layers draw and compute."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tests.tolerance import TOLERANCE


def drawn(shape, dtype=torch.float64):
    """Normally distributed values, the same for each call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def randomised(layer):
    """The layer with every parameter and statistic drawn, so that no zero or one hides a term."""
    state = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=state) / max(1, parameter[0].numel()) ** 0.5)
        for key, buffer in layer.named_buffers():
            if buffer.is_floating_point():
                values = torch.rand(buffer.shape, generator=state)
                buffer.copy_(values + 0.5 if key.endswith("var") else values)
    return layer


def state_of(layer):
    """What a reference reads: parameters and copies of the statistics by name, the eps of each BatchNorm, whether in training."""
    norms = {name: module for name, module in layer.named_modules() if isinstance(module, _BatchNorm)}
    return {
        **{name: buffer.clone() for name, buffer in layer.named_buffers()},
        **dict(layer.named_parameters()),
        **{f"{name}.eps": norm.eps for name, norm in norms.items()},
        "training": layer.training,
    }


def forward_and_gradients(function, x, parameters):
    """The output, then the gradients of a weighted sum of it by x and by each parameter."""
    x = x.detach().clone().requires_grad_()
    out = function(x)
    # Permuted, so that the gradient that comes in is not contiguous.
    weights = drawn(out.shape[::-1]).permute(3, 2, 1, 0).to(out)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), [x, *parameters])]


def assert_equal_with_gradients(function, reference, x, parameters):
    """Compare two functions of x in float64: their outputs and their gradients by x and by each parameter."""
    parameters = list(parameters)
    expected = forward_and_gradients(reference, x, parameters)  # first, as the function may move statistics
    found = forward_and_gradients(function, x, parameters)
    torch.testing.assert_close(found, expected, **TOLERANCE[torch.float64])
