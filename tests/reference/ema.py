"""EMA as its paper draws it: nothing is simplified, every feature map is made."""

import torch
import torch.nn.functional as F


def ema(x, state):
    """EMA of x with the parameters in state."""
    k, (height, width) = len(state["gn.weight"]), x.shape[2:]
    groups = x.reshape(-1, k, height, width)
    mix = state["conv1x1.weight"].flatten(1)
    rows, columns = (
        torch.sigmoid(torch.einsum("nkl,mk->nml", groups.mean(axis), mix) + state["conv1x1.bias"][:, None])
        for axis in (3, 2)
    )
    gated = torch.einsum("nkhw,nkh,nkw->nkhw", groups, rows, columns)
    deviation = gated - gated.mean((2, 3), keepdim=True)
    normalised = deviation / (deviation.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    normalised = normalised * state["gn.weight"][:, None, None] + state["gn.bias"][:, None, None]
    convolved = F.conv2d(groups, state["conv3x3.weight"], state["conv3x3.bias"], padding=1)
    score = torch.einsum("nk,nkhw->nhw", normalised.mean((2, 3)).softmax(1), convolved)
    score = score + torch.einsum("nk,nkhw->nhw", convolved.mean((2, 3)).softmax(1), normalised)
    return (groups * torch.sigmoid(score)[:, None]).reshape(x.shape)
