"""Squeeze-and-excitation (SE). Hu et al., CVPR 2018, https://arxiv.org/abs/1709.01507

The gates of all channels are computed from the means of all channels, by two matrices with a bottleneck between them.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive


class SE(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels in the bottleneck, 1 to C.

    Source: paper, equations 2 to 4; the bottleneck has no biases, as in the authors' code.
    """

    parameter_formula = "2 * C * m; m = C // reduction"

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        check_positive(self, channels=channels)
        width = bottleneck_width(self, channels, reduction)
        self.squeeze = nn.Linear(channels, width, bias=False)
        self.expand = nn.Linear(width, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, 1, 1)."""
        if torch.is_grad_enabled() and not torch.jit.is_tracing():
            # The backward of a sum is a view, that of a mean a new feature map.
            pooled = x.sum((2, 3), dtype=torch.promote_types(x.dtype, torch.float32)) / x.shape[2:].numel()
        else:
            pooled = x.mean((2, 3))  # (B, C)
        gate = self.expand(F.relu(self.squeeze(pooled.to(x.dtype)))).sigmoid().to(x.dtype)  # (B, C)
        return gate[:, :, None, None]
