"""A depthwise convolution along one axis as a sum of shifted feature maps."""

import torch


def shifted_sum(x, weight, bias, step, axis):
    """x (B, C, H, W), weight (C, size), one value for each shift by a multiple of step along axis; zero outside of x."""
    size, length = weight.shape[1], x.shape[axis]
    total = torch.zeros_like(x) + bias[:, None, None]
    for place in range(size):
        shift = (place - size // 2) * step
        if abs(shift) >= length:
            continue
        kept = x.narrow(axis, max(0, shift), length - abs(shift))
        zeros = torch.zeros_like(x.narrow(axis, 0, abs(shift)))
        moved = torch.cat([kept, zeros] if shift > 0 else [zeros, kept], axis)
        total = total + weight[:, place, None, None] * moved
    return total
