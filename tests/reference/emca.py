"""EMCA, channel by channel: mix the sources' numbers, then excite. The keys in state tell which excitation it is."""

import torch

from tests.reference.batch_norm import batch_norm


def emca(maps, state):
    """EMCA of the maps with the parameters in state."""
    x = maps[0]
    channels = range(x.shape[1])
    means = [[source[:, c % source.shape[1]].mean((1, 2)) for source in maps] for c in channels]
    deviations = [
        [((source[:, c % source.shape[1]].var((1, 2), correction=0) + 1e-5) ** 0.5) for source in maps]
        for c in channels
    ]

    def mixed(values):
        if "merge.weight" not in state:
            return values[0]
        kernel = state["merge.weight"].flatten()
        return sum(weight * value for weight, value in zip(kernel, values, strict=True)).clamp(min=0)

    mean = torch.stack([mixed(values) for values in means], 1)  # (B, C)
    if "style" in state:
        deviation = torch.stack([mixed(values) for values in deviations], 1)
        score = mean * state["style"][:, 0] + deviation * state["style"][:, 1]
        score = batch_norm(score, state, "norm")
    elif "conv.weight" in state:
        kernel = state["conv.weight"].flatten()
        reach = len(kernel) // 2
        score = torch.stack(
            [
                sum(
                    kernel[j] * mean[:, c + j - reach] for j in range(len(kernel)) if 0 <= c + j - reach < len(channels)
                )
                for c in channels
            ],
            1,
        )
    else:
        score = torch.clamp(mean @ state["squeeze.weight"].T, min=0) @ state["expand.weight"].T
    return x / (1 + torch.exp(-score))[:, :, None, None]
