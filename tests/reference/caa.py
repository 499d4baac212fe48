"""CAA with means and convolutions as sums of shifted feature maps."""

import torch

from tests.reference.batch_norm import batch_norm
from tests.reference.shifts import shifted_sum


def caa(x, state):
    """CAA of x with the parameters in state."""
    ones = torch.full((x.shape[1], 7), 1 / 7, dtype=x.dtype)
    zero = torch.zeros(x.shape[1], dtype=x.dtype)
    means = shifted_sum(shifted_sum(x, ones, zero, 1, 3), ones, zero, 1, 2)  # zero outside, divided by 49 everywhere
    context = _mixed(means, "squeeze", state)
    for name, axis in (("row", 3), ("column", 2)):
        context = shifted_sum(context, state[f"{name}.weight"].flatten(1), state[f"{name}.bias"], 1, axis)
    return x / (1 + torch.exp(-_mixed(context, "expand", state)))


def _mixed(x, name, state):
    mixed = torch.einsum("oc,bchw->bohw", state[f"{name}.weight"].flatten(1), x)
    normal = batch_norm(mixed, state, f"{name}_norm")
    return normal / (1 + torch.exp(-normal))
