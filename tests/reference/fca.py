"""FCA: the channels of one frequency after those of another, pooled with the cosines written out pixel by pixel."""

import math

import torch

# Frequencies down (u) and across (v), as the authors' code lists them for 7 x 7.
DOWN = [0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2]
ACROSS = [0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2]


def fca(x, state, frequencies=16):
    """FCA of x with the parameters in state."""
    height, width = x.shape[2:]
    share = x.shape[1] // frequencies
    pooled = []
    for channel in range(x.shape[1]):
        u, v = DOWN[channel // share], ACROSS[channel // share]
        total = 0
        for h in range(height):
            for w in range(width):
                wave = math.cos(math.pi * u * (h + 0.5) / height) * math.cos(math.pi * v * (w + 0.5) / width)
                total = total + x[:, channel, h, w] * wave
        # Orthonormal on 7 x 7: 1 / sqrt(7) along an axis, sqrt(2 / 7) if the frequency there is not 0.
        scale = math.sqrt((2 if u else 1) / 7) * math.sqrt((2 if v else 1) / 7)
        pooled.append(total * scale * 49 / (height * width))
    hidden = torch.stack(pooled, 1) @ state["squeeze.weight"].T
    score = (hidden * (hidden > 0)) @ state["expand.weight"].T
    return x / (1 + torch.exp(-score))[:, :, None, None]
