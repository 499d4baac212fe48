"""DMSA with every affinity map built, one image and one group at a time."""

import torch
import torch.nn.functional as F


def dmsa(x, state):
    """DMSA of x with the parameters in state."""
    return torch.stack([_image(image, state) for image in x])


def _image(x, state):
    channels, height, width = x.shape
    half, k = channels // 2, len(state["query.bias"])
    scales = torch.cat(
        [
            F.conv2d(x[:half], state["conv3x3.weight"], padding=1),
            F.conv2d(x[half:], state["conv5x5.weight"], padding=2),
        ]
    ).flatten(1)
    outs = []
    for group in scales.split(2 * k):
        channel, pixel = group[:k], group[k:]
        squeezed = (state["squeeze.weight"] @ channel.mean(1)).clamp(min=0)
        gate = 1 / (1 + torch.exp(-state["expand.weight"] @ squeezed))
        affinity = torch.softmax(channel @ channel.T, 1)
        outs.append(channel * gate[:, None] + state["beta"] * (affinity @ channel))

        variance, mean = torch.var_mean(pixel, 1, correction=0, keepdim=True)
        normalised = (pixel - mean) / (variance + 1e-5).sqrt()
        gate = torch.sigmoid(state["pixel_weight"].flatten(1) * normalised + state["pixel_bias"].flatten(1))
        query, key, value = (
            state[f"{name}.weight"].flatten(1) @ pixel + state[f"{name}.bias"][:, None]
            for name in ("query", "key", "value")
        )
        affinity = torch.softmax(query.T @ key, 1)  # row: a pixel, column: the pixels that it looks at
        outs.append(pixel * gate + state["alpha"] * (value @ affinity.T))
    gated = torch.cat(outs)
    # Shuffle with 2 groups: the first and the second half of the channels take turns.
    order = [(place % 2) * half + place // 2 for place in range(channels)]
    return gated[order].view(channels, height, width)
