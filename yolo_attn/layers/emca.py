"""Efficient multi-source channel attention (EMCA). Bakr et al., IEEE Access 2022 (not on arXiv)

The pooled vector of a feature map is mixed with those of earlier feature maps; a gate is then computed from the mixture as in SE
(https://arxiv.org/abs/1709.01507), ECA (https://arxiv.org/abs/1910.03151) or SRM (https://arxiv.org/abs/1903.10829).

In a model YAML the earlier feature maps are further sources of the row. The rows that are named make the paper's coverage region:
none (S=0), the last block of the previous stage (S=1, N'=1), all blocks of the previous stage (S=1, N'=all), the last block of
every previous stage (S=i-1, N'=1).
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._batch_norm import pooled_batch_norm
from yolo_attn.layers._checks import bottleneck_width, check_choice
from yolo_attn.layers._vector_norm import vector_norm
from yolo_attn.layers.eca import adaptive_kernel_size

EXCITATIONS = ("se", "eca", "srm")


class EMCA(nn.Module):
    """Feature maps, the first of them x (B, C, H, W) -> x * gate, gate (B, C, 1, 1) in (0, 1).

    The other feature maps have any height and width and at most C channels, which are repeated in order up to C.

    Authors' code: multiplies by 1 + gate; computes the gate of the first block from that block alone, without mixing; and mixes the
    pooled outputs of earlier branches before their shortcut is added. Here x is multiplied by the gate, and the ResNets of this
    package mix the outputs of earlier blocks, after the addition and the ReLU. Section III-B of the paper puts the layer
    into the last block of a stage, section IV-H into the first; the published parameter counts are those of the first block.

    Args:
        channels: Channels of each source, the gated one first. A single source has nothing to mix and no mixing kernel.
        excitation: `se` (two matrices), `eca` (a 1-D kernel of the ECA rule) or `srm` (mean and deviation, then a BatchNorm).
        reduction: C / reduction channels in the bottleneck of `se`, 1 to C. Not used otherwise.

    Source: paper, section III. `srm` mixes means and deviations with the same kernel, as its published parameter counts require.
    """

    parameter_formula = (
        "R * (R > 1) + {'se': 2 * C * m, 'eca': k, 'srm': 4 * C}[excitation];"
        " m = C // reduction; k = int(abs((log2(C) + 1) / 2)) | 1; R = number of sources"
    )
    multi_source = True

    def __init__(self, channels: list[int], excitation: str = "se", reduction: int = 16):
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"EMCA: widths must be 1 or more, found {channels}; give the widths of the feature maps.")
        width, sources = channels[0], len(channels)
        if max(channels) > width:
            raise ValueError(
                f"EMCA: source {channels.index(max(channels)) + 1} has {max(channels)} channels, more than the {width} of the "
                f"first; name rows of at most {width} channels."
            )
        check_choice(self, "excitation", excitation, EXCITATIONS)
        self.excitation = excitation
        self.width = width
        self.repeats = [-(-width // earlier) for earlier in channels]
        self.merge = nn.Conv1d(1, 1, sources, stride=sources, bias=False) if sources > 1 else None
        if excitation == "se":
            bottleneck = bottleneck_width(self, width, reduction)
            self.squeeze = nn.Linear(width, bottleneck, bias=False)
            self.expand = nn.Linear(bottleneck, width, bias=False)
        elif excitation == "eca":
            kernel_size = adaptive_kernel_size(width)
            self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)
        else:
            self.style = nn.Parameter(torch.zeros(width, 2))
            self.norm = nn.BatchNorm1d(width)

    def forward(self, feature_maps: list[torch.Tensor]) -> torch.Tensor:
        return feature_maps[0] * self.gate(feature_maps)

    def gate(self, feature_maps: list[torch.Tensor]) -> torch.Tensor:
        """Feature maps as for `forward` -> gate (B, C, 1, 1) of the first."""
        repeated = [
            torch.cat([self._pooled(source)] * times, 2)[..., : self.width]
            for source, times in zip(feature_maps, self.repeats, strict=True)
        ]
        pooled = repeated[0]  # (B, 1 or 2 statistics, C)
        if self.merge is not None:
            statistics = pooled.shape[1]
            # The R values of a channel lie side by side, so that the kernel takes one channel at a step.
            mixed = self.merge(torch.stack(repeated, 3).view(-1, 1, self.width * len(feature_maps)))
            pooled = F.relu(mixed).view(-1, statistics, self.width)
        return self._excited(pooled).sigmoid().to(feature_maps[0].dtype)[:, :, None, None]

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> (B, 1, C), the mean, or (B, 2, C), with the standard deviation."""
        mean = x.mean((2, 3), keepdim=True)
        if self.excitation != "srm":
            return mean[:, None, :, 0, 0]
        total = vector_norm(x - mean, (2, 3)).square()
        deviation = (total / x.shape[2] / x.shape[3] + 1e-5).sqrt().to(x.dtype)
        return torch.stack([mean[:, :, 0, 0], deviation], 1)

    def _excited(self, pooled: torch.Tensor) -> torch.Tensor:
        """pooled (B, 1 or 2, C) -> (B, C)."""
        if self.excitation == "se":
            return self.expand(F.relu(self.squeeze(pooled[:, 0])))
        if self.excitation == "eca":
            return self.conv(pooled)[:, 0]
        return pooled_batch_norm(self.norm, (pooled * self.style.t()).sum(1))
