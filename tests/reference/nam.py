"""NAM from equations 1 and 2 of its paper, one channel after the other."""

import torch


def nam(x, state, authors_code=False):
    """NAM of x in evaluation mode with the parameters in state."""
    scales = state["norm.weight"].detach() if authors_code else state["norm.weight"]
    total = sum(torch.sqrt(scale**2) for scale in scales)
    gated = []
    for channel, pixels in enumerate(x.unbind(1)):
        normalised = pixels - state["norm.running_mean"][channel]
        normalised = normalised / (state["norm.running_var"][channel] + 1e-5) ** 0.5
        normalised = normalised * state["norm.weight"][channel] + state["norm.bias"][channel]
        gated.append(pixels / (1 + torch.exp(-normalised * torch.sqrt(scales[channel] ** 2) / total)))
    return torch.stack(gated, 1)
