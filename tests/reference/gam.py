"""GAM from equations 1 and 2 of its paper: linear layers on the permuted map, and convolutions group by group."""

import torch

from tests.reference.batch_norm import batch_norm


def convolved(x, weight, groups):
    """The 7x7 convolution with zeros outside, for each group a sum over windows."""
    padded = x.new_zeros(*x.shape[:2], x.shape[2] + 6, x.shape[3] + 6)
    padded[:, :, 3:-3, 3:-3] = x
    parts = [
        torch.einsum("oirc,bihwrc->bohw", kernel, part.unfold(2, 7, 1).unfold(3, 7, 1))
        for kernel, part in zip(weight.chunk(groups), padded.chunk(groups, 1), strict=True)
    ]
    return torch.cat(parts, 1)


def gam(x, state, groups=1):
    """GAM of x with the parameters in state; a gate without parameters there is left out."""
    if "squeeze.weight" in state:
        pixels = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        hidden = pixels @ state["squeeze.weight"][:, :, 0, 0].T + state["squeeze.bias"]
        score = (hidden * (hidden > 0)) @ state["expand.weight"][:, :, 0, 0].T + state["expand.bias"]
        x = (pixels / (1 + torch.exp(-score))).permute(0, 3, 1, 2)
    if "reduce.weight" in state:
        hidden = batch_norm(convolved(x, state["reduce.weight"], groups), state, "norm")
        hidden = hidden * (hidden > 0)
        # The groups take turns: the first channel of each, then the second of each.
        share = hidden.shape[1] // groups
        hidden = hidden[:, [group * share + place for place in range(share) for group in range(groups)]]
        x = x / (1 + torch.exp(-convolved(hidden, state["restore.weight"], groups)))
    return x
