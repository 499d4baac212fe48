"""NAM from equations 1 and 2 of its paper, one channel after the other."""

import torch

from tests.reference.batch_norm import batch_norm


def nam(x, state, authors_code=False):
    """NAM of x with the parameters in state."""
    scales = state["norm.weight"].detach() if authors_code else state["norm.weight"]
    total = sum(torch.sqrt(scale**2) for scale in scales)
    gated = []
    normalised = batch_norm(x, state, "norm")
    for channel, pixels in enumerate(x.unbind(1)):
        score = normalised[:, channel] * torch.sqrt(scales[channel] ** 2) / total
        gated.append(pixels / (1 + torch.exp(-score)))
    return torch.stack(gated, 1)
