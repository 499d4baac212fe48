"""CA from equations 4 to 9 of its paper, sums written out."""

import torch


def ca(x, state):
    """CA of x in evaluation mode with the parameters in state."""
    height, width = x.shape[2:]

    def bottleneck(pooled):
        mixed = torch.einsum("mc,bcl->bml", state["squeeze.weight"][:, :, 0, 0], pooled)
        mixed = mixed + state["squeeze.bias"][:, None]
        scale = state["norm.weight"] / (state["norm.running_var"] + 1e-5) ** 0.5
        mixed = (mixed - state["norm.running_mean"][:, None]) * scale[:, None] + state["norm.bias"][:, None]
        return mixed * (mixed + 3).clamp(0, 6) / 6

    def gate(name, mixed):
        expanded = torch.einsum("cm,bml->bcl", state[f"{name}.weight"][:, :, 0, 0], mixed)
        return 1 / (1 + torch.exp(-expanded - state[f"{name}.bias"][:, None]))

    rows = gate("rows", bottleneck(x.sum(3) / width))
    columns = gate("columns", bottleneck(x.sum(2) / height))
    return torch.einsum("bchw,bch,bcw->bchw", x, rows, columns)
