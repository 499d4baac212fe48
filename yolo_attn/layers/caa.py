"""Context anchor attention (CAA). Cai et al., CVPR 2024, https://arxiv.org/abs/2403.06258

The mean of each pixel's surroundings is convolved with a long row and a long column, which reach far at little cost; two 1x1
convolutions around them mix the channels. In PKINet the gate multiplies the features of a parallel branch; here it multiplies
its own input.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_odd, check_positive


class CAA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) in (0.43, 1).

    Authors' code: both 1x1 convolutions end in a BatchNorm and SiLU, so that no gate is below sigmoid(-0.28); the paper names a
    convolution and a sigmoid. Here as in the code. The gate of PKINet multiplies another branch, and its kernels grow with the depth,
    11 + 2 * the number of the block.

    Args:
        channels: C, 1 or more.
        kernel_size: Length of the row and of the column, odd.

    Source: paper, section 3, and the authors' code.
    """

    parameter_formula = "2 * C**2 + 4 * C + 2 * C * kernel_size + 2 * C"

    def __init__(self, channels: int, kernel_size: int = 11):
        super().__init__()
        check_positive(self, channels=channels)
        check_odd(self, kernel_size, "the paper's is 11")
        reach = kernel_size // 2
        self.squeeze = nn.Conv2d(channels, channels, 1, bias=False)
        self.squeeze_norm = nn.BatchNorm2d(channels)
        self.row = nn.Conv2d(channels, channels, (1, kernel_size), padding=(0, reach), groups=channels)
        self.column = nn.Conv2d(channels, channels, (kernel_size, 1), padding=(reach, 0), groups=channels)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        surroundings = F.avg_pool2d(x, 7, 1, 3)
        context = self.column(self.row(F.silu(self.squeeze_norm(self.squeeze(surroundings)))))
        gate = F.silu(self._normalised(self.expand(context))).sigmoid()
        return gate.to(x.dtype)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.expand_norm
        if self.training:
            return norm(x)
        # Flat: on a map one pixel wide torch 2.15 returns a wrong gradient if the incoming one has unusual strides.
        flat = x.flatten(2)
        return F.batch_norm(flat, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).view(
            x.shape
        )
