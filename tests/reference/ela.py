"""ELA with the convolution as sums over shifted positions and the norm written out, one image at a time."""

import torch


def ela(x, state, width=1, groups=16):
    """ELA of x with the parameters in state."""
    return torch.stack([_image(image, state, width, groups) for image in x])


def _image(image, state, width, groups):
    rows = _gate(image.mean(2), state, width, groups)
    columns = _gate(image.mean(1), state, width, groups)
    return torch.einsum("chw,ch,cw->chw", image, rows, columns)


def _gate(pooled, state, width, groups):
    weight = state["conv.weight"]  # (C, width, kernel size)
    (channels, length), reach = pooled.shape, weight.shape[2] // 2
    convolved = []
    for channel in range(channels):
        first = channel // width * width
        terms = torch.zeros(length, dtype=pooled.dtype)
        for neighbour in range(width):
            for offset in range(-reach, reach + 1):
                inside = range(max(0, -offset), min(length, length - offset))
                shifted = [
                    pooled[first + neighbour, place + offset] if place in inside else pooled.new_zeros(())
                    for place in range(length)
                ]
                terms = terms + weight[channel, neighbour, offset + reach] * torch.stack(shifted)
        convolved.append(terms)
    parts = torch.stack(convolved).chunk(groups)
    normal = torch.cat([(p - p.mean()) / (((p - p.mean()) ** 2).mean() + 1e-5).sqrt() for p in parts])
    return torch.sigmoid(normal * state["norm.weight"][:, None] + state["norm.bias"][:, None])
