"""Attention augmented convolution with the scores of all pairs of pixels; tables are read entry by entry."""

import math

import torch
import torch.nn.functional as F


def aa_conv(x, state, heads=8):
    """AAConv of x, stride 1, with the parameters in state."""
    height, width = x.shape[2:]
    values = state["mix.weight"].shape[0]
    keys = (state["query_key_value.weight"].shape[0] - values) // 2
    projected = torch.einsum("oc,bchw->bohw", state["query_key_value.weight"][..., 0, 0], x)
    query, key, value = projected.split([keys, keys, values], 1)
    rows, columns = distances(state["rows"], height), distances(state["columns"], width)
    sums = []
    for q, k, v in zip(query.chunk(heads, 1), key.chunk(heads, 1), value.chunk(heads, 1), strict=True):
        scores = torch.einsum("bchw,bcij->bhwij", q, k)
        scores = scores + torch.einsum("bchw,hic->bhwi", q, rows)[..., None]
        scores = scores + torch.einsum("bchw,wjc->bhwj", q, columns)[..., None, :]
        exponentials = torch.exp(scores / math.sqrt(q.shape[1]))
        weights = exponentials / exponentials.sum((3, 4), keepdim=True)
        sums.append(torch.einsum("bhwij,bcij->bchw", weights, v))
    mixed = torch.einsum("oc,bchw->bohw", state["mix.weight"][..., 0, 0], torch.cat(sums, 1))
    return torch.cat([F.conv2d(x, state["conv.weight"], padding=1), mixed], 1)


def distances(table, length):
    """Entry (first, second): the table at second - first, read between two entries where the side is not the table's."""
    largest = len(table) // 2
    rows = []
    for first in range(length):
        for second in range(length):
            position = largest + (largest * (second - first) / (length - 1) if length > 1 else 0)
            below = min(math.floor(position), len(table) - 2)
            share = position - below
            rows.append((1 - share) * table[below] + share * table[below + 1])
    return torch.stack(rows).view(length, length, -1)
