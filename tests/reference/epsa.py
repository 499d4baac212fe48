"""EPSA, every scale and group of channels by itself; the softmax over scales is written out."""

import torch
import torch.nn.functional as F


def epsa(x, state, groups=(1, 4, 8, 16)):
    """EPSA of x with the parameters in state; groups of the four convolutions."""
    scales, scores = [], []
    for number, count in enumerate(groups):
        kernel = state[f"convs.{number}.weight"]
        parts = zip(x.chunk(count, 1), kernel.chunk(count, 0), strict=True)
        scale = torch.cat([F.conv2d(part, weights, padding=kernel.shape[-1] // 2) for part, weights in parts], 1)
        squeezed = torch.einsum("bc,kc->bk", scale.mean((2, 3)), state["squeeze.weight"]) + state["squeeze.bias"]
        expanded = torch.einsum("bk,ck->bc", squeezed.clamp(min=0), state["expand.weight"]) + state["expand.bias"]
        scales.append(scale)
        scores.append(torch.exp(1 / (1 + torch.exp(-expanded))))
    return torch.cat(
        [scale * (score / sum(scores))[..., None, None] for scale, score in zip(scales, scores, strict=True)], 1
    )
