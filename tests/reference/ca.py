"""CA from equations 4 to 9 of its paper, sums written out."""

import torch

from tests.reference.batch_norm import batch_norm


def ca(x, state):
    """CA of x with the parameters in state."""
    height, width = x.shape[2:]

    pooled = torch.cat([x.sum(3) / width, x.sum(2) / height], 2)  # (B, C, H + W)
    mixed = torch.einsum("mc,bcl->bml", state["squeeze.weight"][:, :, 0, 0], pooled) + state["squeeze.bias"][:, None]
    mixed = batch_norm(mixed, state, "norm")
    mixed = mixed * (mixed + 3).clamp(0, 6) / 6

    def gate(name, mixed):
        expanded = torch.einsum("cm,bml->bcl", state[f"{name}.weight"][:, :, 0, 0], mixed)
        return 1 / (1 + torch.exp(-expanded - state[f"{name}.bias"][:, None]))

    rows = gate("rows", mixed[..., :height])
    columns = gate("columns", mixed[..., height:])
    return torch.einsum("bchw,bch,bcw->bchw", x, rows, columns)
