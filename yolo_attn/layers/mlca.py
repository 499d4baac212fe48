"""Mixed local channel attention (MLCA). Wan et al., 2023, https://doi.org/10.1016/j.engappai.2023.106442

The feature map is averaged over 5 x 5 bins. One 1-D convolution over the channels of all bins gives a local gate, another over the
means of the bins a global one, each as in ECA (https://arxiv.org/abs/1910.03151). Their mixture is spread over the pixels of a bin.
"""

from typing import ClassVar

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive
from yolo_attn.layers.eca import adaptive_kernel_size


class MLCA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) in (0, 1).

    Bins cover the map as in adaptive pooling: they overlap where its size is no multiple of their number, and repeat pixels where it is
    smaller. A pixel in several bins gets the mean of their gates.

    Authors' code: is followed here, not checked against the text of the paper. The local convolution runs over the channels of the first
    bin, then of the second, row by row, so that the first and last channels of neighbouring bins meet.

    Args:
        channels: C, 1 or more; the kernels' size follows the rule of ECA.
        bins: Bins in a row and in a column, 1 or more.
        local_weight: Share of the local gate in the mixture, 0 to 1.

    Source: the authors' code, https://github.com/wandahangFY/MLCA.
    """

    parameter_formula = "2 * k; k = int(abs((log2(C) + 1) / 2)) | 1"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose file is a few percent off"}

    def __init__(self, channels: int, bins: int = 5, local_weight: float = 0.5):
        super().__init__()
        check_positive(self, "bins is usually 5", channels=channels, bins=bins)
        if not 0 <= local_weight <= 1:
            raise ValueError(f"MLCA: local_weight must be from 0 to 1, found {local_weight}; the authors' is 0.5.")
        self.channels, self.bins, self.local_weight = channels, bins, local_weight
        kernel_size = adaptive_kernel_size(channels)
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.conv_local = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W)."""
        rows, columns = (self._covered(size, x) for size in x.shape[2:])  # (bins, H) and (bins, W)
        pooled = (rows / rows.sum(1, keepdim=True)) @ x @ (columns / columns.sum(1, keepdim=True)).T
        bins, channels = self.bins, self.channels
        in_order = pooled.permute(0, 2, 3, 1).reshape(-1, 1, bins * bins * channels)
        local = self.conv_local(in_order).view(-1, bins, bins, channels).permute(0, 3, 1, 2)
        joint = self.conv(pooled.mean((2, 3))[:, None]).transpose(1, 2)[..., None]  # (B, C, 1, 1)
        mixed = (self.local_weight * local.sigmoid() + (1 - self.local_weight) * joint.sigmoid()).to(x.dtype)
        gate = (rows / rows.sum(0)).T @ mixed @ (columns / columns.sum(0))
        return gate.to(x.dtype)

    def _covered(self, size: int, x: torch.Tensor) -> torch.Tensor:
        """Return (bins, size), 1 where a pixel lies in a bin: from floor(bin * size / bins) to before ceil((bin + 1) * size / bins).

        Adaptive pooling does the same, but cannot be exported with a dynamic size.
        """
        start = torch.arange(self.bins, device=x.device)[:, None] * size
        pixel = torch.arange(size, device=x.device) * self.bins
        return ((pixel + self.bins - start).clamp(0, 1) * (start + size - pixel).clamp(0, 1)).to(x.dtype)
