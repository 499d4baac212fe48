"""MLCA with torch's adaptive pooling, one image at a time, and the 1-D convolutions as sums over neighbours."""

import torch
import torch.nn.functional as F


def mlca(x, state, bins=5, local_weight=0.5):
    """MLCA of x with the parameters in state."""
    gates = []
    for image in x:
        pooled = F.adaptive_avg_pool2d(image[None], bins)[0]  # (C, bins, bins)
        channels = len(pooled)
        sequence = torch.cat([pooled[:, row, column] for row in range(bins) for column in range(bins)])
        local = torch.sigmoid(_neighbours(sequence, state["conv_local.weight"].flatten()))
        joint = torch.sigmoid(_neighbours(pooled.mean((1, 2)), state["conv.weight"].flatten()))
        parts = local.split(channels)
        mixed = torch.stack([local_weight * part + (1 - local_weight) * joint for part in parts], 1)
        gates.append(F.adaptive_avg_pool2d(mixed.view(1, channels, bins, bins), image.shape[1:])[0])
    return x * torch.stack(gates)


def _neighbours(values, weight):
    reach = len(weight) // 2
    padded = torch.cat([values.new_zeros(reach), values, values.new_zeros(reach)])
    return sum(weight[place] * padded[place : place + len(values)] for place in range(len(weight)))
