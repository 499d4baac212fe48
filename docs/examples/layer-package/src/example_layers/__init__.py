"""A layer in a package of its own."""

import torch
from torch import nn


class SquareGate(nn.Module):
    """Gate each channel by the mean of its squares. (B, C, H, W) -> (B, C, H, W).

    Args:
        channels: C.
        gain: What the mean is multiplied by at the start.
    """

    def __init__(self, channels: int, gain: float = 1.0):
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), gain))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.gain * (x * x).mean((2, 3), keepdim=True))
