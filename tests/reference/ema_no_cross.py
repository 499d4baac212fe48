"""EMA without its cross-spatial step, one group at a time."""

import torch
import torch.nn.functional as F


def ema_no_cross(x, state):
    """EMANoCross of x with the parameters in state."""
    k = len(state["gn.weight"])
    mix = state["conv1x1.weight"].flatten(1)
    outs = []
    for group in x.split(k, 1):
        rows = torch.einsum("bch,kc->bkh", group.mean(3), mix) + state["conv1x1.bias"][:, None]
        columns = torch.einsum("bcw,kc->bkw", group.mean(2), mix) + state["conv1x1.bias"][:, None]
        gated = group * torch.sigmoid(rows)[..., None] * torch.sigmoid(columns)[:, :, None]
        deviation = gated - gated.mean((2, 3), keepdim=True)
        normalised = deviation / (deviation.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
        normalised = normalised * state["gn.weight"][:, None, None] + state["gn.bias"][:, None, None]
        convolved = F.conv2d(group, state["conv3x3.weight"], state["conv3x3.bias"], padding=1)
        outs.append(group * torch.sigmoid(normalised + convolved))
    return torch.cat(outs, 1)
