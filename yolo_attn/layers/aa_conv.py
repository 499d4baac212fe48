"""Attention augmented convolution. Bello et al., ICCV 2019, https://arxiv.org/abs/1904.09925

A 3x3 convolution gives most of the channels, multi-head attention over all pixels the others. A score depends on how far apart two
pixels are, too: tables of relative positions, one for the distance in rows and one for that in columns. In AA-ResNet the layer
replaces the 3x3 convolutions of the last three stages.

The paper's tables fit one size of the feature map. Here they are resized to any, by linear interpolation between the largest
distances: on a map twice as large, distances count half. On the size that they are made for nothing is interpolated.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_positive

KEYS, VALUES, SMALLEST_KEY = 0.2, 0.1, 20  # shares of the channels, and the least width of a head's keys


class AAConv(nn.Module):
    """x (B, C, H, W) -> channels of a convolution and, behind them, of attention, together (B, C, H, W).

    Differs from the paper: the tables are resized, as said above, and attention runs at the size of the output, which the paper
    halves in the first of its three stages. Before a stride the attention's input is averaged over 3x3 pixels. How the
    paper rounds the width of values is not known; rounded down, ResNet-50 and 101 have 25.81 M and 45.39 M parameters,
    where 25.8 M and 45.4 M are published.

    Args:
        channels: C, more than the values have: 0.1 C rounded down to a multiple of heads, at least heads.
        heads: Number of heads, 1 or more. Keys have 0.2 C channels, at least 20 for each head.
        size: Height and width that the tables are made for, 2 or more; 0 for those of a ResNet at 224 pixels: 14 below 512 channels
            (stage 3 as the paper halves it), 7 from there on.
        stride: Stride of the layer, 1 or more; above 1 only where it replaces a strided convolution.

    Source: paper, sections 3.1 and 3.2; tables are shared by all heads.
    """

    parameter_formula = (
        "9 * C * (C - v) + C * (2 * k + v) + v**2 + 2 * (2 * s - 1) * (k // heads);"
        " k = max(int(0.2 * C) // heads, 20) * heads; v = max(int(0.1 * C) // heads, 1) * heads;"
        " s = size or (14 if C < 512 else 7)"
    )
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter ends with an error on its attention"}
    no_gate = "convolves channels"

    def __init__(self, channels: int, heads: int = 8, size: int = 0, stride: int = 1):
        super().__init__()
        check_positive(self, "heads is usually 8", channels=channels, heads=heads, stride=stride)
        if size < 0 or size == 1:
            raise ValueError(f"AAConv: size must be 2 or more, found {size}; use 0 for that of a ResNet.")
        self.heads, self.stride = heads, stride
        self.key_width = max(int(KEYS * channels) // heads, SMALLEST_KEY)  # of a head
        self.value_width = max(int(VALUES * channels) // heads, 1)
        keys, values = self.key_width * heads, self.value_width * heads
        if values >= channels:
            raise ValueError(
                f"AAConv: {heads} heads leave no channels of {channels} to the convolution; use at most {channels - 1} heads."
            )
        size = size or (14 if channels < 512 else 7)
        self.conv = nn.Conv2d(channels, channels - values, 3, stride, 1, bias=False)
        self.query_key_value = nn.Conv2d(channels, 2 * keys + values, 1, bias=False)
        self.mix = nn.Conv2d(values, values, 1, bias=False)
        self.rows = nn.Parameter(torch.randn(2 * size - 1, self.key_width) * self.key_width**-0.5)
        self.columns = nn.Parameter(torch.randn(2 * size - 1, self.key_width) * self.key_width**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        convolved = self.conv(x)
        source = x if self.stride == 1 else F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        return torch.cat([convolved, self.mix(self._attended(self.query_key_value(source)))], 1).to(x.dtype)

    def _attended(self, projected: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values (B, 2 * keys + values, H, W) -> weighted sums of the values (B, values, H, W)."""
        height, width = projected.shape[2:]
        k, v = self.key_width * self.heads, self.value_width * self.heads
        query, key, value = (
            part.view(-1, self.heads, part.shape[1] // self.heads, height, width).permute(0, 1, 3, 4, 2)
            for part in projected.split([k, k, v], 1)
        )  # (B, heads, H, W, channels of a head)
        # A score has three terms: query . key, query . the row distance's entry, query . the column distance's. The last
        # two depend on the key's row and on its column alone. As more channels of queries, against ones in the key's row
        # and column, they are part of one product, so that torch's fused attention need not hold scores of all pairs.
        by_row = query @ _resized(self.rows, height).transpose(1, 2)  # (B, heads, H, W, rows)
        by_column = (query.transpose(2, 3) @ _resized(self.columns, width).transpose(1, 2)).transpose(2, 3)
        row, column = torch.arange(height, device=key.device), torch.arange(width, device=key.device)
        in_row = (row[:, None, None] == row).to(key.dtype).expand(*key.shape[:4], height)
        in_column = (column[:, None] == column).to(key.dtype).expand(*key.shape[:4], width)
        query = torch.cat([query, by_row.to(query.dtype), by_column.to(query.dtype)], -1).flatten(2, 3)
        key = torch.cat([key, in_row, in_column], -1).flatten(2, 3)
        # Fused attention asks for values as wide as keys.
        value = value.flatten(2, 3)
        value = torch.cat([value, torch.zeros_like(query[..., self.value_width :])], -1)
        summed = F.scaled_dot_product_attention(query, key, value, scale=self.key_width**-0.5)[..., : self.value_width]
        return summed.transpose(2, 3).reshape(-1, v, height, width)


def _resized(table: torch.Tensor, length: int) -> torch.Tensor:
    """table (2 * size - 1, k) -> its entry for each pair of places on a side of that length, (length, length, k): of second minus first."""
    reach = (table.shape[0] - 1) / 2
    wide = torch.promote_types(table.dtype, torch.float32)  # halves know no fractions of large positions
    place = torch.arange(length, device=table.device, dtype=wide)
    # A tensor, as a traced graph must hold at another size; amax(0), as onnxslim takes no max without axes.
    span = place.amax(0).clamp(min=1)
    position = (place - place[:, None]) * (reach / span) + reach
    entries = torch.arange(table.shape[0], device=table.device, dtype=wide)
    weights = F.relu(1 - (position[..., None] - entries).abs())  # of the two entries next to the position
    return weights.to(table.dtype) @ table
