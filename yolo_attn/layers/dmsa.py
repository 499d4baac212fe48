"""Dual multi-scale attention (DMSA). Sagar, https://arxiv.org/abs/2106.08382

A 3x3 and a 5x5 convolution, then groups with shared weights: half of a group's channels attend to one another, the other
half's pixels do. In DMSANet the layer replaces the 3x3 convolution of a bottleneck.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import check_multiple, check_positive


class DMSA(nn.Module):
    """x (B, C, H, W) -> (B, C, H, W).

    The scores of all pairs of pixels, (H * W) x (H * W), are not held in memory where torch's fused attention runs.

    Authors' code: was never published, and the paper's parameter counts contradict one another; no reading reaches them. This one
    departs from the text as follows. Equations 8 and 9, a softmax across the two scales whose result multiplies them, are not
    implemented, nor is the fusion of the features that section 3.5 names. Equations 4 and 6 add the input of a branch; here
    the gated input is added, as in the shuffle attention that the paper builds on. The kernel sizes 3 and 5 and two groups
    are assumptions: the text gives neither.

    Args:
        channels: C, a multiple of 2 * groups.
        groups: Number of groups G, 1 or more, all with the same weights; each is split into two halves of k = C / (2 * G) channels.
        stride: Stride of the convolutions, 1 or more; above 1 only where the layer replaces a strided convolution.

    Source: paper, section 3.
    """

    parameter_formula = "34 * (C // 2)**2 + 5 * k**2 + 5 * k + 2; k = C // (2 * groups)"
    no_gate = "convolves and shuffles channels"

    def __init__(self, channels: int, groups: int = 2, stride: int = 1):
        super().__init__()
        check_positive(self, "groups is usually 2", channels=channels, groups=groups, stride=stride)
        check_multiple(self, channels, 2 * groups, f"cannot be split into {groups} groups of two halves")
        half, k = channels // 2, channels // (2 * groups)
        self.conv3x3 = nn.Conv2d(half, half, 3, stride, 1, bias=False)
        self.conv5x5 = nn.Conv2d(half, half, 5, stride, 2, bias=False)
        self.squeeze = nn.Linear(k, k, bias=False)
        self.expand = nn.Linear(k, k, bias=False)
        self.beta = nn.Parameter(torch.zeros(1))
        self.pixel_weight = nn.Parameter(torch.ones(k, 1, 1))
        self.pixel_bias = nn.Parameter(torch.zeros(k, 1, 1))
        self.query = nn.Linear(k, k)
        self.key = nn.Linear(k, k)  # its bias adds one number to all scores of a pixel, which the softmax cancels
        self.value = nn.Linear(k, k)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine, coarse = x.chunk(2, 1)
        scales = torch.cat([self.conv3x3(fine), self.conv5x5(coarse)], 1)
        k, (channels, height, width) = self.query.in_features, scales.shape[1:]
        by_channel, by_pixel = scales.reshape(-1, 2 * k, height, width).split(k, 1)  # (B * groups, k, H, W) each
        halves = torch.cat([self._channels(by_channel), self._pixels(by_pixel)], 1).to(x.dtype)
        # A channel shuffle of two groups.
        return halves.view(-1, 2, channels // 2, height, width).transpose(1, 2).reshape(-1, channels, height, width)

    def _channels(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, k, H, W) -> x * gate + beta * a sum over all channels, each weighed by its similarity."""
        gate = self.expand(F.relu(self.squeeze(x.mean((2, 3))))).sigmoid().to(x.dtype)
        pixels = x.flatten(2)
        device = "cpu" if x.is_meta else x.device.type  # autocast does not know the meta device
        with torch.autocast(device, enabled=False):  # sums of squares over H * W overflow in half precision
            wide = pixels.to(torch.promote_types(x.dtype, torch.float32))
            affinity = torch.bmm(wide, wide.transpose(1, 2)).softmax(2).to(x.dtype)  # (N, k, k)
        return x * gate[:, :, None, None] + (self.beta * torch.bmm(affinity, pixels)).view_as(x)

    def _pixels(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, k, H, W) -> x * gate + alpha * a sum over all pixels, each weighed by its similarity."""
        # An InstanceNorm, whose module fails on a single pixel.
        normalised = torch.group_norm(x, self.query.in_features)
        gate = (self.pixel_weight * normalised + self.pixel_bias).sigmoid().to(x.dtype)
        # (N, 1, H * W, k), contiguous: without the axis of heads, or transposed afterwards, torch takes the form that holds all scores in
        # memory at once.
        pixels = x.flatten(2).transpose(1, 2)[:, None]
        query, key, value = self.query(pixels), self.key(pixels), self.value(pixels)
        summed = F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0].transpose(1, 2)
        return x * gate + self.alpha * summed.reshape(x.shape)
