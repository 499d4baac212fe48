"""LSKA with every convolution as a sum of shifted feature maps."""

import torch

from tests.reference.shifts import shifted_sum


def lska(x, state, dilation=3):
    """LSKA of x with the parameters in state."""
    gate = x
    for name, step, axis in (
        ("near_row", 1, 3),
        ("near_column", 1, 2),
        ("far_row", dilation, 3),
        ("far_column", dilation, 2),
    ):
        gate = shifted_sum(gate, state[f"{name}.weight"].flatten(1), state[f"{name}.bias"], step, axis)
    weight = state["pointwise.weight"].flatten(1)
    return x * (torch.einsum("oc,bchw->bohw", weight, gate) + state["pointwise.bias"][:, None, None])
