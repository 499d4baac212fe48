"""EMA and EMANoCross in ncnn, which has no batch axis: groups stay channels, and a step on each group is a grouped convolution.

Twice as slow as the other forms elsewhere. The identities are those that `_ema_inference.coefficients` explains.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolo_attn.layers._ema_onnx import taps_on_summary


def gated(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1)."""
    k, (channels, height, width) = gn.num_channels, x.shape[1:]
    factor, columns = channels // k, x.mean(2, keepdim=True)
    normalised = _normalised(x, columns, conv1x1, gn)

    summary = torch.cat([columns, x[:, :, :1] / height, x[:, :, -1:] / height], 2)
    summary = torch.cat([summary.mean(3, keepdim=True), summary[..., :1] / width, summary[..., -1:] / width], 3)
    convolved_mean = _grouped(summary, taps_on_summary(conv3x3.weight), conv3x3.bias)  # (B, C, 1, 1)
    weights = convolved_mean.view(-1, factor, k).softmax(2).view(-1, channels, 1, 1)

    constant = gn.bias.softmax(0)[:, None]
    kernel = (constant * conv3x3.weight.flatten(1)).sum(0).view(1, k, 3, 3)
    offset = (constant[:, 0] * conv3x3.bias).sum()[None]  # type: ignore[operator]  # it has a bias
    score = _grouped(x, kernel, offset, padding=1)
    score = score + _grouped(normalised * weights, torch.ones_like(kernel[..., :1, :1]))
    gate = score.sigmoid().view(-1, factor, 1, height * width)
    return (x.view(-1, factor, k, height * width) * gate).view(x.shape)


def gated_without_cross(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) in (0, 1)."""
    normalised = _normalised(x, x.mean(2, keepdim=True), conv1x1, gn)
    return x * (normalised + _grouped(x, conv3x3.weight, conv3x3.bias, padding=1)).sigmoid()


def _normalised(x: Tensor, columns: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm) -> Tensor:
    """x (B, C, H, W), its means over rows (B, C, 1, W) -> the gated branch after its GroupNorm, (B, C, H, W)."""
    gate_rows, gate_columns = (
        _grouped(means, conv1x1.weight, conv1x1.bias).sigmoid() for means in (x.mean(3, keepdim=True), columns)
    )
    factor = x.shape[1] // gn.num_channels
    gamma, beta = gn.weight.repeat(factor), gn.bias.repeat(factor)
    # torch.instance_norm: the function of nn.functional refuses a single pixel.
    return torch.instance_norm(x * gate_rows * gate_columns, gamma, beta, None, None, True, 0.0, gn.eps, False)


def _grouped(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """Convolve each group of channels with the same weight."""
    groups = x.shape[1] // weight.shape[1]
    biases = None if bias is None else bias.repeat(groups)
    return F.conv2d(x, weight.repeat(groups, 1, 1, 1), biases, padding=padding, groups=groups)
