"""Frequency channel attention (FCA). Qin et al., ICCV 2021, https://arxiv.org/abs/2012.11796

SE pools a channel to its mean, which is its lowest frequency. Here the channels are split into parts, and each part is
pooled at another frequency of the two-dimensional discrete cosine transform.

The bases have the size of the feature map: frequency (u, v) at pixel (h, w) of H x W is
cos(pi u (h + 1/2) / H) cos(pi v (w + 1/2) / W), as in the paper's equation. Nothing is resized, and a frequency has the same
number of half waves across a feature map of any size.
"""

import functools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive

# (u, v), best first: how single frequencies ranked in the paper's experiments on ImageNet, from the authors' code.
# fmt: off
BEST = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
)
# fmt: on


class FCA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    Authors' code: fixes the size of the bases per layer at construction (7 x 7 in the last stage) and pools feature maps of another
    size to it. Here the paper's equation is followed. The sum is scaled so that it equals that of the authors' orthonormal
    bases on 7 x 7 and does not grow with the feature map.

    Args:
        channels: C, a multiple of frequencies.
        reduction: C / reduction channels in the bottleneck, 1 to C.
        frequencies: Number of frequencies that share the channels: 1, 2, 4, 8 or 16. With 1, the pooled values are 7 times those of SE.

    Source: paper, section 3.
    """

    parameter_formula = "2 * C * m; m = C // reduction"

    def __init__(self, channels: int, reduction: int = 16, frequencies: int = 16):
        super().__init__()
        check_positive(self, channels=channels)
        if frequencies not in (1, 2, 4, 8, 16) or channels % frequencies:
            fits = [n for n in (1, 2, 4, 8, 16) if channels % n == 0]
            raise ValueError(
                f"FCA: {channels} channels cannot be split over {frequencies} frequencies; "
                f"what fits is {', '.join(map(str, fits))}."
            )
        width = bottleneck_width(self, channels, reduction)
        self.squeeze = nn.Linear(channels, width, bias=False)
        self.expand = nn.Linear(width, channels, bias=False)
        self.frequencies = frequencies

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, 1, 1)."""
        height, width = x.shape[2:]
        bases = _bases if torch.jit.is_tracing() or torch.compiler.is_compiling() else _cached_bases
        basis, scale = bases(self.frequencies, height, width, x.dtype, x.device)
        parts = x.reshape(-1, self.frequencies, self.expand.out_features // self.frequencies, height, width)
        pooled = (parts * basis).to(scale.dtype).sum((3, 4)) * scale  # (B, frequencies, C / frequencies)
        gate = self.expand(F.relu(self.squeeze(pooled.flatten(1).to(x.dtype)))).sigmoid().to(x.dtype)  # (B, C)
        return gate[:, :, None, None]


def _bases(
    frequencies: int, height: int, width: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bases (frequencies, 1, H, W), and the factor of a sum over the map (frequencies, 1)."""
    place: dict[str, Any] = {"dtype": torch.promote_types(dtype, torch.float32), "device": device}
    pairs = torch.tensor(BEST[:frequencies], **place)
    down, across = pairs[:, :1], pairs[:, 1:]
    rows = (down * torch.arange(0.5, height, **place) * math.pi / height).cos()
    columns = (across * torch.arange(0.5, width, **place) * math.pi / width).cos()
    scale = torch.tensor([7 * 2 ** (((u > 0) + (v > 0)) / 2) for u, v in BEST[:frequencies]], **place)
    return (rows[:, :, None] * columns[:, None]).to(dtype)[:, None], scale[:, None] / height / width


@functools.lru_cache(maxsize=16)
def _cached_bases(*args: Any) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode(False):  # what validation caches must serve training, too
        return _bases(*args)
