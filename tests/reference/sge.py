"""SGE from equations 1 to 5 of its paper, one group after the other."""

import torch


def sge(x, state):
    """SGE of x with the parameters in state."""
    groups = len(state["weight"])
    gated = []
    for group, part in enumerate(x.chunk(groups, 1)):
        mean = part.mean((2, 3))
        similarity = torch.einsum("bk,bkhw->bhw", mean, part)
        centred = similarity - similarity.mean((1, 2), keepdim=True)
        square = (centred**2).mean((1, 2), keepdim=True)
        # The root has no gradient at 0, where all pixels are alike: there the centred values are 0 whatever it is.
        deviation = torch.where(square > 0, square, torch.ones_like(square)) ** 0.5 * (square > 0)
        score = state["weight"][group] * centred / (deviation + 1e-5) + state["bias"][group]
        gated.append(part / (1 + torch.exp(-score))[:, None])
    return torch.cat(gated, 1)
