"""Dual multi-scale attention (DMSA). Sagar, https://arxiv.org/abs/2106.08382

A 3x3 and a 5x5 convolution, the scales, each of half of the channels. Squeeze and excitation gives each channel of a scale a weight,
which a softmax over the scales normalises. The scales are fused and split into groups with shared weights: half of a group's
channels attend to one another, the other half's pixels do. In DMSANet the layer replaces the 3x3 convolution of a bottleneck.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_choice, check_multiple, check_positive
from yolo_attn.layers._normalisation import BatchNorm, GroupNorm, InstanceNorm, SwitchableNorm

FUSIONS = ("concat", "sum")
NORMS = {"instance": InstanceNorm, "batch": BatchNorm, "group": GroupNorm, "switchable": SwitchableNorm}
FULLY_CONNECTED = ("affine", "none", "conv1x1")


class DMSA(nn.Module):
    """x (B, C, H, W) -> (B, C, H, W).

    The scores of all pairs of pixels, (H * W) x (H * W), are not held in memory where torch's fused attention runs.

    Authors' code: was never published, so what the text leaves open is ours. Equation 2 defines the weights of a squeeze and
    excitation, equation 8 takes a softmax over weights Z of each scale without saying what Z is: here it is those weights, computed
    for each k channels of a scale, the width of a branch, by matrices that all share. Equation 9 multiplies each scale by its
    softmax. Equation 4, for channels, and equation 6, for pixels, add the input of the branch. That of the second is gated first, by
    the sigmoid of the fully connected step on its norm; how the two combine is open. Section 3.5 fuses the individual features before
    the branches without saying how: equation 7 concatenates them, and here the channels of both scales take turns, so that each group
    holds both. The kernel sizes 3 and 5, two groups, 16 channels to a group of GroupNorm and switchable normalisation
    for the SN of Table 8 are in no text.

    The parameter counts that the paper prints cannot be reached: a module of a * C^2 parameters needs a = 9.55 for 26.25 million
    with ResNet-50 and 8.05 for 42.29 million with ResNet-101. This one gives 25,326,008 and 44,114,714. Tables 4, 5 and 6 imply
    three more sizes of the same backbone, and Table 8 prints more operations without the fully connected step than with it.

    Args:
        channels: C, a multiple of 2 * groups.
        groups: Number of groups G, 1 or more, all with the same weights; each is split into two halves of k = C / (2 * G) channels.
        fusion: `concat` takes the channels of both scales in turns; `sum` adds the scales, and both branches read the sum.
        norm: Of the pixel branch: `instance`, or Table 8's `batch`, `group` and `switchable` (https://arxiv.org/abs/1806.10779).
        fc: Step between norm and sigmoid: `affine`, a weight and a bias per channel, or Table 8's `none` and `conv1x1`.
        stride: Stride of the convolutions, 1 or more; above 1 only where the layer replaces a strided convolution.

    Source: paper, section 3, and Table 8 for the variants.
    """

    parameter_formula = (
        "34 * (C // 2)**2 + 5 * k**2 + 3 * k + 2 + {'affine': 2 * k, 'none': 0, 'conv1x1': k**2 + k}[fc] + 6 * (norm == 'switchable');"
        " k = C // (2 * groups)"
    )
    no_gate = "convolves and shuffles channels"

    wrong_in: ClassVar[dict[str, str]] = {
        "ncnn": "whose runtime crashes on its attention",
        "paddle": "whose converter takes no computed weights",
    }

    def __init__(
        self,
        channels: int,
        groups: int = 2,
        fusion: str = "concat",
        norm: str = "instance",
        fc: str = "affine",
        stride: int = 1,
    ):
        super().__init__()
        check_positive(self, "groups is usually 2", channels=channels, groups=groups, stride=stride)
        check_multiple(self, channels, 2 * groups, f"cannot be split into {groups} groups of two halves")
        check_choice(self, "fusion", fusion, FUSIONS)
        check_choice(self, "norm", norm, NORMS)
        check_choice(self, "fc", fc, FULLY_CONNECTED)
        half, k = channels // 2, channels // (2 * groups)
        self.groups, self.fusion, self.fc = groups, fusion, fc
        self.conv3x3 = nn.Conv2d(half, half, 3, stride, 1, bias=False)
        self.conv5x5 = nn.Conv2d(half, half, 5, stride, 2, bias=False)
        self.squeeze = nn.Linear(k, k, bias=False)
        self.expand = nn.Linear(k, k, bias=False)
        self.beta = nn.Parameter(torch.zeros(1))
        self.norm = NORMS[norm](k)
        if fc == "affine":
            self.pixel_weight = nn.Parameter(torch.ones(k, 1, 1))
            self.pixel_bias = nn.Parameter(torch.zeros(k, 1, 1))
        elif fc == "conv1x1":
            self.conv1x1 = nn.Conv2d(k, k, 1)
        self.query = nn.Linear(k, k)
        self.key = nn.Linear(k, k)  # its bias adds one number to all scores of a pixel, which the softmax cancels
        self.value = nn.Linear(k, k)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine, coarse = x.chunk(2, 1)
        scales = torch.stack([self.conv3x3(fine), self.conv5x5(coarse)], 1)  # (B, 2, C / 2, H, W)
        weights = self._weights(scales.mean((3, 4))).to(scales.dtype)
        by_channel, by_pixel = self._fused(scales * weights[..., None, None])
        halves = torch.cat([self._channels(by_channel), self._pixels(by_pixel)], 1).to(x.dtype)
        channels, (height, width) = x.shape[1], halves.shape[2:]
        # A channel shuffle of two groups.
        return halves.view(-1, 2, channels // 2, height, width).transpose(1, 2).reshape(-1, channels, height, width)

    def _weights(self, pooled: torch.Tensor) -> torch.Tensor:
        """pooled (B, 2, C / 2) -> the weight of each channel of each scale, (B, 2, C / 2); those of the scales sum to 1."""
        parts = pooled.view(-1, 2, self.groups, self.squeeze.in_features)
        return self.expand(F.relu(self.squeeze(parts))).sigmoid().flatten(2).softmax(1)

    def _fused(self, scales: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """scales (B, 2, C / 2, H, W) -> what the channel branch and the pixel branch read, (B * G, k, H, W) each."""
        k, (height, width) = self.squeeze.in_features, scales.shape[3:]
        if self.fusion == "sum":
            fused = scales.sum(1).reshape(-1, k, height, width)
            return fused, fused
        return scales.transpose(1, 2).reshape(-1, 2 * k, height, width).split(k, 1)

    def _channels(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, k, H, W) -> x + beta * a sum over all channels, each weighed by its similarity."""
        pixels = x.flatten(2)
        device = "cpu" if x.is_meta else x.device.type  # autocast does not know the meta device
        with torch.autocast(device, enabled=False):  # sums of squares over H * W overflow in half precision
            wide = pixels.to(torch.promote_types(x.dtype, torch.float32))
            affinity = torch.bmm(wide, wide.transpose(1, 2)).softmax(2).to(x.dtype)  # (N, k, k)
        return x + (self.beta * torch.bmm(affinity, pixels)).view(x.shape)

    def _pixels(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, k, H, W) -> x * gate + alpha * a sum over all pixels of x * gate, each weighed by its similarity."""
        x = x * self._pixel_scores(self.norm(x)).sigmoid().to(x.dtype)
        # (N, 1, H * W, k), contiguous: without the axis of heads, or transposed afterwards, torch takes the form that holds all scores in
        # memory at once.
        pixels = x.flatten(2).transpose(1, 2)[:, None]
        query, key, value = self.query(pixels), self.key(pixels), self.value(pixels)
        summed = F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0].transpose(1, 2)
        return x + self.alpha * summed.reshape(x.shape)

    def _pixel_scores(self, normalised: torch.Tensor) -> torch.Tensor:
        if self.fc == "affine":
            return self.pixel_weight * normalised + self.pixel_bias
        return self.conv1x1(normalised) if self.fc == "conv1x1" else normalised
