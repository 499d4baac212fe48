"""Frequency channel attention (FCA). Qin et al., ICCV 2021, https://arxiv.org/abs/2012.11796

SE takes the mean of a channel, which is its lowest frequency. Here the channels are split into parts, and each part is
pooled at another frequency of the two-dimensional discrete cosine transform.

The bases have the size of the map, whatever it is: frequency (u, v) at pixel (h, w) of H x W is
cos(pi u (h + 1/2) / H) cos(pi v (w + 1/2) / W), as the paper's equation has it, so nothing is resized and a frequency
has the same number of half waves across any map. The authors' code fixes one size per layer at construction (7 x 7 in
the last stage) and pools other maps to it. The sum is scaled to equal theirs, with its orthonormal bases, on 7 x 7, and
not to grow with the map.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

# (u, v), best first: how single frequencies ranked in the paper's experiments on ImageNet, from the authors' code.
# fmt: off
BEST = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
)
# fmt: on


class FCA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Args:
        channels: C, a multiple of frequencies.
        reduction: C / reduction channels in the bottleneck, 1 to C.
        frequencies: How many of the best frequencies share the channels: 1, 2, 4, 8 or 16. With 1 it is SE times 7.

    Raises:
        ValueError: reduction outside 1 to C, another number of frequencies, or channels that do not split into it.

    Source: paper, section 3.
    """

    def __init__(self, channels: int, reduction: int = 16, frequencies: int = 16):
        super().__init__()
        if channels < 1:
            raise ValueError(f"FCA: channels must be 1 or more, found {channels}; give the width of the map.")
        if frequencies not in (1, 2, 4, 8, 16) or channels % frequencies:
            fits = [n for n in (1, 2, 4, 8, 16) if channels % n == 0]
            raise ValueError(
                f"FCA: {channels} channels cannot be split over {frequencies} frequencies; "
                f"what fits is {', '.join(map(str, fits))}."
            )
        if not 1 <= reduction <= channels:
            raise ValueError(
                f"FCA: reduction {reduction} leaves no bottleneck in {channels} channels; "
                f"it must be from 1 to {channels}, usually 16."
            )
        width = channels // reduction
        self.squeeze = nn.Linear(channels, width, bias=False)
        self.expand = nn.Linear(width, channels, bias=False)
        # Integers, which half() leaves exact. The last row is the square of what makes the 7 x 7 bases orthonormal.
        best = BEST[:frequencies]
        table = [[u for u, _ in best], [v for _, v in best], [49 * 2 ** ((u > 0) + (v > 0)) for u, v in best]]
        self.frequencies = frequencies
        self.register_buffer("table", torch.tensor(table)[:, :, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (height, width), wide = x.shape[2:], torch.promote_types(x.dtype, torch.float32)
        rows, columns, energy = self.table.to(wide).unbind()  # (frequencies, 1) each
        rows = (rows * torch.arange(0.5, height, dtype=wide, device=x.device) * math.pi / height).cos()
        columns = (columns * torch.arange(0.5, width, dtype=wide, device=x.device) * math.pi / width).cos()
        basis = (rows[:, :, None] * columns[:, None]).to(x.dtype)[:, None]  # (frequencies, 1, H, W)
        parts = x.reshape(-1, self.frequencies, self.expand.out_features // self.frequencies, height, width)
        pooled = (parts * basis).sum((3, 4), dtype=wide) * (energy.sqrt() / height / width)
        gate = self.expand(F.relu(self.squeeze(pooled.flatten(1).to(x.dtype)))).sigmoid().to(x.dtype)
        return x * gate[:, :, None, None]
