"""Global context block (GC) of GCNet. Cao et al., ICCV Workshops 2019, https://arxiv.org/abs/1904.11492

A softmax over all pixels weighs their sum, the context vector. A bottleneck transforms it, and the result is added to every pixel.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive


class GC(nn.Module):
    """x (B, C, H, W) -> x + context, context (B, C, 1, 1).

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels in the bottleneck, 1 to C.

    Source: paper, equation 5.
    """

    parameter_formula = "2 * C * m + 2 * C + 3 * m + 1; m = C // reduction"
    no_gate = "adds to channels"

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        check_positive(self, channels=channels)
        width = bottleneck_width(self, channels, reduction)
        self.score = nn.Linear(channels, 1)
        self.squeeze = nn.Linear(channels, width)
        self.norm = nn.GroupNorm(1, width)  # on one pixel: the paper's LayerNorm([width, 1, 1])
        self.expand = nn.Linear(width, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pixels = x.flatten(2)  # (B, C, H * W)
        attention = (torch.matmul(self.score.weight, pixels) + self.score.bias).softmax(2)  # (B, 1, H * W)
        pooled = torch.matmul(pixels, attention.to(x.dtype).transpose(1, 2))[:, :, 0]  # (B, C)
        # torch.group_norm: the module's call refuses one image with a bottleneck of one channel.
        hidden = torch.group_norm(self.squeeze(pooled), 1, self.norm.weight, self.norm.bias, self.norm.eps)
        return x + self.expand(F.relu(hidden)).to(x.dtype)[:, :, None, None]
