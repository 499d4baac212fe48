"""EMA without cross-spatial learning, the ablation of Ouyang et al., ICASSP 2023, https://arxiv.org/abs/2305.13563, Table 3

The two branches of EMA per group of k channels, a gated and normalised one and a 3x3 convolution. The paper does not say how they are
joined once the step that weighs each by the other is left out; here their sum gates every channel and pixel by itself.
"""

import torch

from yolo_attn.layers._ema_ncnn import gated_without_cross
from yolo_attn.layers.ema import EMA


class EMANoCross(EMA):
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) in (0, 1).

    Args:
        channels: C, a multiple of factor.
        factor: Number of groups, 1 or more; all share the weights, of k = C / factor channels.

    Source: paper, section 3 and Table 3. Parameters as in EMA.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.export_format == "ncnn":
            return gated_without_cross(x, self.conv1x1, self.gn, self.conv3x3)
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        k, (height, width) = self.gn.num_channels, x.shape[2:]
        groups = x.reshape(-1, k, height, width)  # (B * factor, k, H, W)
        pooled = torch.cat([groups.mean(3, keepdim=True), groups.mean(2, keepdim=True).transpose(2, 3)], 2)
        rows, columns = self.conv1x1(pooled).sigmoid().to(x.dtype).split([height, width], 2)
        gated = groups * rows * columns.transpose(2, 3)
        normalised = torch.group_norm(gated, k, self.gn.weight, self.gn.bias, self.gn.eps)  # as in `definition` of EMA
        return (normalised + self.conv3x3(groups)).sigmoid().to(x.dtype).view(x.shape)
