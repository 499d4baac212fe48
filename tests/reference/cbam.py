"""CBAM from equations 1 to 3 of its paper; the biases and the BatchNorm of the released code where state has them."""

import torch

from tests.reference.batch_norm import batch_norm


def cbam(x, state):
    """CBAM of x with the parameters in state."""
    batch, channels, height, width = x.shape

    def bottleneck(pooled):
        hidden = pooled @ state["squeeze.weight"].T + state.get("squeeze.bias", 0)
        return (hidden * (hidden > 0)) @ state["expand.weight"].T + state.get("expand.bias", 0)

    pixels = x.reshape(batch, channels, height * width)
    scores = bottleneck(pixels.sum(2) / (height * width)) + bottleneck(pixels.max(2).values)
    x = x / (1 + torch.exp(-scores))[:, :, None, None]

    kernel = state["conv.weight"][0]
    side = kernel.shape[-1]
    padded = x.new_zeros(batch, 2, height + side - 1, width + side - 1)
    padded[:, 0, side // 2 : side // 2 + height, side // 2 : side // 2 + width] = x.max(1).values
    padded[:, 1, side // 2 : side // 2 + height, side // 2 : side // 2 + width] = x.sum(1) / channels
    score = sum(
        torch.einsum("p,bphw->bhw", kernel[:, row, column], padded[:, :, row : row + height, column : column + width])
        for row in range(side)
        for column in range(side)
    )
    if "norm.weight" in state:
        score = batch_norm(score[:, None], state, "norm")[:, 0]
    return x / (1 + torch.exp(-score))[:, None]
