"""Efficient multi-scale attention (EMA). Ouyang et al., ICASSP 2023, https://arxiv.org/abs/2305.13563

The channels are split into groups of k that share all weights. Two branches per group, a gated one (row and column gates, then
GroupNorm) and a 3x3 convolution, are each averaged to k weights by which the other branch is summed over its channels. The
sum gates the group's pixels.

`definition` computes these steps one by one. The layer computes the same function with fewer multiply-adds, without a k -> k 3x3
convolution of the feature map, in the form that suits the caller: `_ema_training`, `_ema_compiled`, `_ema_inference`, `_ema_onnx` or
`_ema_ncnn`. Transforms of torch get the definition, and so do counters that put hooks on the convolutions, which the other forms do
not call.
"""

from typing import ClassVar

import torch
from torch import nn
from torch.autograd import forward_ad

from yolo_attn.layers import _ema_compiled, _ema_inference, _ema_ncnn, _ema_onnx, _ema_training
from yolo_attn.layers._checks import check_positive, group_width
from yolo_attn.layers._hooks import are_watched


def definition(x: torch.Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> torch.Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W): section 3 of the paper, step by step."""
    k, (height, width) = gn.num_channels, x.shape[2:]
    groups = x.reshape(-1, k, height, width)  # (N, k, H, W), N = B * factor
    pooled = torch.cat([groups.mean(3, keepdim=True), groups.mean(2, keepdim=True).transpose(2, 3)], 2)
    rows, columns = conv1x1(pooled).split([height, width], 2)  # (N, k, H, 1) and (N, k, W, 1)
    gated = groups * rows.sigmoid() * columns.transpose(2, 3).sigmoid()
    normalised = torch.group_norm(gated, k, gn.weight, gn.bias, gn.eps)  # calling the module fails on a single pixel
    convolved = conv3x3(groups)
    score = normalised.mean((2, 3)).softmax(1)[:, None] @ convolved.flatten(2)  # (N, 1, H * W)
    score = score + convolved.mean((2, 3)).softmax(1)[:, None] @ normalised.flatten(2)
    return (groups * score.view(-1, 1, height, width).sigmoid()).reshape(x.shape)


def _is_transformed(x: object) -> bool:
    """Return whether torch.fx, torch.func or forward-mode differentiation is at work, which take plain operators alone."""
    # torch has no public way to ask for the last two.
    in_forward_mode = forward_ad._current_level >= 0
    return not isinstance(x, torch.Tensor) or in_forward_mode or torch._C._are_functorch_transforms_active()


class EMA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1) on x as (B, factor, C / factor, H, W).

    Authors' code: has the GroupNorm, with one group per channel, which the text of the paper does not name. The code is followed.

    Args:
        channels: C, a multiple of factor.
        factor: Number of groups, 1 or more; all share the weights, of k = C / factor channels.

    Source: paper, section 3. Parameter names are those of the authors' checkpoints.
    """

    parameter_formula = "10 * k**2 + 4 * k; k = C // factor"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose converter takes no computed weights"}
    export_format = ""

    def __init__(self, channels: int, factor: int = 32):
        super().__init__()
        check_positive(self, "factor is usually 32", channels=channels, factor=factor)
        k = group_width(self, channels, factor, "factor")
        self.factor = factor
        self.conv1x1 = nn.Conv2d(k, k, 1)
        self.gn = nn.GroupNorm(k, k)
        self.conv3x3 = nn.Conv2d(k, k, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.export_format == "ncnn":
            form = _ema_ncnn.gated
        elif torch.onnx.is_in_onnx_export():
            form = _ema_onnx.gated
        elif are_watched(self.conv1x1, self.conv3x3):
            form = definition
        elif _ema_compiled.is_training_compiled():
            form = _ema_compiled.gated
        elif _ema_inference.is_traced():
            form = _ema_inference.gated
        elif _is_transformed(x):
            form = definition
        else:
            form = _ema_training.gated if torch.is_grad_enabled() else _ema_inference.gated
        return form(x, self.conv1x1, self.gn, self.conv3x3)

    @torch.no_grad()
    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> gate (B, C, H, W), the same for the k channels of a group; it has no gradient."""
        groups = _ema_inference.gates(x, self.conv1x1, self.gn, self.conv3x3).view(len(x), self.factor, *x.shape[2:])
        return groups.repeat_interleave(self.gn.num_channels, 1)
