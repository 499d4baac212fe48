"""Style-based recalibration module (SRM). Lee et al., ICCV 2019, https://arxiv.org/abs/1903.10829

The gate of a channel is computed from its own mean and standard deviation; the other channels do not contribute.
"""

from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._batch_norm import pooled_batch_norm
from yolo_attn.layers._checks import check_positive
from yolo_attn.layers._vector_norm import vector_norm


class SRM(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Authors' code: divides the sum of squares by H * W - 1, which is 0 for a single pixel. Here it is divided by H * W, as in the
    paper. The epsilon under the root is that of the code.

    Args:
        channels: C, 1 or more.

    Source: paper, section 3.
    """

    parameter_formula = "4 * C"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter knows no norm"}

    def __init__(self, channels: int):
        super().__init__()
        check_positive(self, channels=channels)
        self.weight = nn.Parameter(torch.zeros(channels, 2))  # of the mean and of the deviation
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, 1, 1)."""
        mean = x.mean((2, 3))  # (B, C)
        # var() is many times slower on a CPU. The deviations sum to 0: no gradient goes through this mean.
        centred = (x - mean.detach()[:, :, None, None]).flatten(2)
        variance = vector_norm(centred, 2).square() / x.shape[2] / x.shape[3]
        style = torch.stack([mean, (variance + 1e-5).sqrt().to(x.dtype)], 2)  # (B, C, 2)
        score = (style * self.weight).sum(2)
        score = pooled_batch_norm(self.norm, score)
        return score.sigmoid().to(x.dtype)[:, :, None, None]
