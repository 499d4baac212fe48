"""SRM from section 3 of its paper, one channel after the other."""

import torch

from tests.reference.batch_norm import batch_norm


def srm(x, state):
    """SRM of x with the parameters in state."""
    scores = []
    for channel, pixels in enumerate(x.unbind(1)):
        mean = pixels.mean((1, 2))
        deviation = (((pixels - mean[:, None, None]) ** 2).mean((1, 2)) + 1e-5) ** 0.5
        scores.append(state["weight"][channel, 0] * mean + state["weight"][channel, 1] * deviation)
    score = batch_norm(torch.stack(scores, 1), state, "norm")
    return x / (1 + torch.exp(-score))[:, :, None, None]
