"""EMA in an ONNX graph, for runtimes, which fuse little: every operator is a pass over a map, and small ones add up.

Not for torch, whose transposed convolution on a CPU takes several times as long as all the rest. The identities are those that
`_ema_inference.coefficients` explains.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAST_TAP_FIRST = list(range(8, -1, -1))  # flip() becomes a slice with a negative step, of which torch warns on export


def gated(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1)."""
    height, width = x.shape[2:]
    groups = x.contiguous().view(-1, gn.num_channels, height, width)  # (N, k, H, W), N = B * factor
    rows, columns = groups.mean(3, keepdim=True), groups.mean(2, keepdim=True)
    gates = conv1x1(rows).sigmoid() @ conv1x1(columns).sigmoid()
    normalised = _InstanceNorm.apply(groups * gates, gn.weight, gn.bias, gn.eps)

    # The mean of conv3x3(x), from the mean of x and from its outer rows and columns.
    taps, ends = conv3x3.weight, [0, -1]
    summary = torch.cat([columns, groups[:, :, ends] / height], 2)
    summary = torch.cat([summary.mean(3, keepdim=True), summary[..., ends] / width], 3)  # (N, k, 3, 3)
    convolved_mean = F.conv2d(summary, taps_on_summary(taps), conv3x3.bias)
    weights = convolved_mean.view(-1, 1, gn.num_channels).softmax(2)

    # The weighted sum of the convolved branch is a k -> 1 convolution. Written as the transpose of a 1 -> k one it is a single
    # operator that adds nine planes with a shift each.
    constant = gn.bias.softmax(0)[None]
    kernel = torch.matmul(constant, taps.flatten(2)[..., LAST_TAP_FIRST].flatten(1)).view(-1, 1, 3, 3)
    offset = torch.matmul(constant, conv3x3.bias)  # type: ignore[arg-type]  # it has a bias
    score = F.conv_transpose2d(groups, kernel, offset, padding=1)
    score = score + torch.matmul(weights, normalised.flatten(2)).view_as(score)
    return (groups * score.sigmoid()).view_as(x)


def taps_on_summary(taps: Tensor) -> Tensor:
    """Taps (k, k, 3, 3) on the nine shifted means -> taps on the mean, the first entry / size and the last entry / size.

    Along an axis the shifted means are mean - last / size, mean and mean - first / size. Collecting the taps by mean, first and
    last moves the subtractions from the feature map to constants of the graph.
    """
    for dim in (2, 3):
        before, middle, after = (taps.narrow(dim, tap, 1) for tap in range(3))
        taps = torch.cat([before + middle + after, -after, -before], dim)
    return taps


class _InstanceNorm(torch.autograd.Function):
    """x (N, k, H, W) -> the same shape: normalised over H and W, times weight, plus bias.

    Exported as the operator of that name. `torch.instance_norm` exports the same node, with a warning that it stands in training mode,
    and `torch.group_norm` takes five nodes more.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        return torch.group_norm(x, x.shape[1], weight, bias, eps)

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        return g.op("InstanceNormalization", x, weight, bias, epsilon_f=eps).setType(x.type())
