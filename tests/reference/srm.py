"""SRM from section 3 of its paper, one channel after the other."""

import torch


def srm(x, state):
    """SRM of x in evaluation mode with the parameters in state."""
    gated = []
    for channel, pixels in enumerate(x.unbind(1)):
        mean = pixels.mean((1, 2))
        deviation = (((pixels - mean[:, None, None]) ** 2).mean((1, 2)) + 1e-5) ** 0.5
        score = state["weight"][channel, 0] * mean + state["weight"][channel, 1] * deviation
        score = (score - state["norm.running_mean"][channel]) / (state["norm.running_var"][channel] + 1e-5) ** 0.5
        score = score * state["norm.weight"][channel] + state["norm.bias"][channel]
        gated.append(pixels / (1 + torch.exp(-score))[:, None, None])
    return torch.stack(gated, 1)
