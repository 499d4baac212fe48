"""EMA in its plain form, as the paper draws it: nothing is simplified, every map is made."""

import torch
from torch import nn


class PlainEMA(nn.Module):
    """x (B, C, H, W) -> (B, C, H, W); its state_dict has the keys and shapes of the layer's."""

    def __init__(self, channels, factor=32):
        super().__init__()
        k = channels // factor
        self.conv1x1 = nn.Conv2d(k, k, 1)
        self.gn = nn.GroupNorm(k, k)
        self.conv3x3 = nn.Conv2d(k, k, 3, padding=1)

    def forward(self, x):
        k, (height, width) = self.gn.num_channels, x.shape[2:]
        folded = x.reshape(-1, k, height, width)
        both = torch.cat([folded.mean(3), folded.mean(2)], 2)[..., None]
        gates = torch.sigmoid(self.conv1x1(both)[..., 0])
        gated = torch.einsum("nkhw,nkh,nkw->nkhw", folded, gates[..., :height], gates[..., height:])
        deviation = gated - gated.mean((2, 3), keepdim=True)
        normalised = deviation / (deviation.square().mean((2, 3), keepdim=True) + self.gn.eps).sqrt()
        normalised = normalised * self.gn.weight[:, None, None] + self.gn.bias[:, None, None]
        convolved = self.conv3x3(folded)
        score = torch.einsum("nk,nkhw->nhw", normalised.mean((2, 3)).softmax(1), convolved)
        score = score + torch.einsum("nk,nkhw->nhw", convolved.mean((2, 3)).softmax(1), normalised)
        return (folded * torch.sigmoid(score)[:, None]).reshape(x.shape)


def ema(x, state):
    """EMA of x with the parameters in state."""
    k = len(state["gn.weight"])
    return torch.func.functional_call(PlainEMA(k, 1).to(x), state, (x,))
