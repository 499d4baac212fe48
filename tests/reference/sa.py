"""SA, one output channel after the other."""

import torch


def sa(x, state):
    """SA of x with the parameters in state."""
    k = len(state["norm.weight"])
    channels = x.shape[1]
    gated = []
    for channel in range(channels):
        group, place = divmod(channel, 2 * k)
        half, j = divmod(place, k)
        pixels = x[:, group * 2 * k + half * k + j]
        mean = pixels.mean((1, 2), keepdim=True)
        if half:
            variance = ((pixels - mean) ** 2).mean((1, 2), keepdim=True)
            normalised = (pixels - mean) / (variance + 1e-5) ** 0.5 * state["norm.weight"][j] + state["norm.bias"][j]
            score = state["pixel_weight"][j] * normalised + state["pixel_bias"][j]
        else:
            score = state["channel_weight"][j] * mean + state["channel_bias"][j]
        gated.append(pixels / (1 + torch.exp(-score)))
    # Shuffle with 2 groups: the first and the second half of the channels take turns.
    return torch.stack([gated[(channel % 2) * (channels // 2) + channel // 2] for channel in range(channels)], 1)
