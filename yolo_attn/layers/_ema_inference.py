"""EMA without gradients, and as TorchScript, torch.export and torch.compile record it: no k -> k 3x3 convolution is executed.

Shapes: N = B * factor groups of k channels, of H x W pixels. The weights are the modules of `EMA`: only conv1x1 is called, the
others hold their parameters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gated(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1)."""
    groups = x.contiguous().view(-1, gn.num_channels, *x.shape[2:])
    return weighted(groups, *coefficients(*pooled(groups), conv1x1, gn, conv3x3), gn.eps)[0].view(x.shape)


def gates(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> the gate of `gated`, (N, 1, H, W)."""
    groups = x.contiguous().view(-1, gn.num_channels, *x.shape[2:])
    return weighted(groups, *coefficients(*pooled(groups), conv1x1, gn, conv3x3), gn.eps)[1]


def is_traced() -> bool:
    """Return whether the operators are being recorded (TorchScript or torch.compile), so that they must be plain ones."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()


def pooled(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, k, H, W) -> row means (N, k, H), column means (N, k, W), first and last row (2, N, k, W)."""
    return x.mean(3), x.mean(2), torch.stack([x[:, :, 0], x[:, :, -1]])


def coefficients(
    rows: Tensor, columns: Tensor, edges: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Results of `pooled` -> row gates (N, k, H), column gates (N, k, W), scale (N, k), kernel (9, k) and offset (N,).

    The score that `weighted` makes of them is scale . normalised(x * gates) + conv3x3(x, kernel) + offset.
    """
    dtype = conv1x1.weight.dtype  # differs from that of x under autocast
    height, width = rows.shape[2], columns.shape[2]
    vectors = torch.cat([rows, columns], 2).to(dtype)
    if is_traced():
        gates = conv1x1(vectors[..., None])[..., 0]
    else:  # on so few pixels a matrix product takes a fifth of what a convolution does
        weight = conv1x1.weight.flatten(1).expand(len(rows), -1, -1)
        gates = torch.baddbmm(conv1x1.bias[:, None], weight, vectors)  # type: ignore[index]  # it has a bias
    gate_rows, gate_columns = gates.sigmoid().to(rows.dtype).split([height, width], 2)

    # The convolution is linear, and so is a mean: the mean of conv3x3(x) is one matrix product of its taps with the nine means
    # of x shifted by a pixel.
    means = _shifted_means(columns, edges[0], edges[1], height, 2)  # (N, k, 3, W)
    means = _shifted_means(means.mean(3), means[..., 0], means[..., -1], width, 3)  # (N, k, 3, 3)
    taps = conv3x3.weight.flatten(1)
    weights = F.linear(means.flatten(1).to(dtype), taps, conv3x3.bias).softmax(1)  # (N, k): of the normalised branch

    # Normalised values have the mean 0, so GroupNorm with one group per channel has the mean beta whatever x is. The weights of the
    # convolved branch are the constant softmax(beta), and its weighted sum over channels is a k -> 1 convolution.
    constant = gn.bias.softmax(0)  # (k,)
    kernel = (constant[:, None] * taps).sum(0).view(-1, 9).t()  # (9, k)

    # weights . (gamma * normalised + beta): gamma goes into the scale, beta into the offset.
    offset = F.linear(weights, gn.bias.to(weights.dtype)[None])[:, 0] + (constant * conv3x3.bias).sum()  # type: ignore[operator]
    return gate_rows, gate_columns, weights * gn.weight, kernel, offset


def weighted(
    x: Tensor, gate_rows: Tensor, gate_columns: Tensor, scale: Tensor, kernel: Tensor, offset: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x (N, k, H, W) -> x * gate; and for the backward: gate (N, 1, H, W), mean (N, k, 1, 1) and 1 / deviation (N, k) of x * gates."""
    score = _convolved(x, kernel) + offset[:, None, None]  # first, so that its nine planes are freed early
    normalised, mean, rstd = _normalised_sum(x, gate_rows, gate_columns, scale, eps)
    gate = (score + normalised).sigmoid()[:, None].to(x.dtype)
    return x * gate, gate, mean, rstd


def at_least_float32(x: Tensor) -> torch.dtype:
    """Return the type for sums over H * W, which overflow in half precision."""
    return torch.promote_types(x.dtype, torch.float32)


def _shifted_means(mean: Tensor, first: Tensor, last: Tensor, size: int, dim: int) -> Tensor:
    """Mean over an axis of that size -> means of the input shifted by -1, 0 and 1 along it, stacked as a new axis.

    A zero comes in at one end; what goes out at the other is the last entry for a shift by -1, and the first for a shift by 1.
    """
    return torch.stack([mean - last / size, mean, mean - first / size], dim)


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """x (N, k, H, W), kernel (9, k) -> (N, H, W). Nine planes and shifts: on a CPU several times as fast as conv2d."""
    planes = torch.matmul(kernel.to(x.dtype), x.flatten(2)).view(-1, 3, 3, *x.shape[2:])
    left, middle, right = planes.unbind(2)
    if (
        is_traced() or torch.is_grad_enabled()
    ):  # converters may not know that a slice shares memory, autograd forbids to write in it
        up, middle, down = (middle + F.pad(left[..., :-1], (1, 0)) + F.pad(right[..., 1:], (0, 1))).unbind(1)
        return middle + F.pad(up[:, :-1], (0, 0, 1, 0)) + F.pad(down[:, 1:], (0, 0, 0, 1))
    middle[..., 1:] += left[..., :-1]
    middle[..., :-1] += right[..., 1:]
    up, middle, down = middle.unbind(1)
    middle[:, 1:] += up[:, :-1]
    middle[:, :-1] += down[:, 1:]
    return middle


def _normalised_sum(
    x: Tensor, gate_rows: Tensor, gate_columns: Tensor, scale: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, k, H, W) -> scale . (x * gates - mean) / deviation (N, H, W), mean (N, k, 1, 1), 1 / deviation (N, k)."""
    # In place and in steps: addcmul with two broadcast arguments takes several times as long on a CPU.
    gated = (x * gate_columns[:, :, None]).mul_(gate_rows[..., None]).flatten(2)
    mean = gated.mean(2, keepdim=True)
    centred = gated.sub_(mean)
    if torch.is_grad_enabled() and not is_traced():  # for a second derivative, which a norm does not have at 0
        total = centred.to(at_least_float32(x)).square().sum(2)
    else:
        total = torch.linalg.vector_norm(centred, dim=2, dtype=at_least_float32(x)).square()
    rstd = torch.rsqrt(total / x.shape[2] / x.shape[3] + eps)
    # A weighted sum over channels of values that are scaled by channel is one matrix product: the scales join the weights.
    return torch.bmm((scale * rstd).to(x.dtype)[:, None], centred).view(-1, *x.shape[2:]), mean[..., None], rstd
