"""SimAM from the energy of equation 5, e = 4 (v + l) / ((t - m)^2 + 2 v + 2 l), and the gate sigmoid(1 / e)."""

import torch


def simam(x, state, regularization=1e-4):
    """SimAM of x, which has no parameters."""
    rows = []
    for image in x:
        for channel in image:
            mean = channel.sum() / channel.numel()
            variance = ((channel - mean) ** 2).sum() / channel.numel()
            energy = 4 * (variance + regularization) / ((channel - mean) ** 2 + 2 * variance + 2 * regularization)
            rows.append(channel / (1 + torch.exp(-1 / energy)))
    return torch.stack(rows).view_as(x)
