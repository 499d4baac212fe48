"""SE from equations 2 to 4 of its paper."""

import torch


def se(x, state):
    """SE of x with the parameters in state."""
    pooled = torch.einsum("bchw->bc", x) / (x.shape[2] * x.shape[3])
    hidden = torch.einsum("mc,bc->bm", state["squeeze.weight"], pooled)
    score = torch.einsum("cm,bm->bc", state["expand.weight"], hidden * (hidden > 0))
    return x / (1 + torch.exp(-score))[:, :, None, None]
