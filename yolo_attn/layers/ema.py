"""Efficient multi-scale attention (EMA). Ouyang et al., ICASSP 2023, https://arxiv.org/abs/2305.13563

Two branches per group of k channels, a gated one (row and column gates, then GroupNorm) and a 3x3 convolution, are each
averaged to k weights by which the other branch is summed over its channels. The sum gates the group's pixels.

The same function is computed here with fewer multiply-adds; no k -> k 3x3 convolution is executed:
- A GroupNorm of one channel per group has the mean beta whatever x is, so the weights of the convolved branch are the
  constant softmax(beta), and its sum is a k -> 1 convolution.
- The mean of the convolved branch is linear in the means of x shifted by a pixel, and these differ from the mean of x by
  its outer rows and columns.
- The sum of the normalised branch over channels is one matrix product on the centred map.
Autograd would keep two more maps, and write a map of zeros for each slice of x, so training uses a backward of our own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable


class EMA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1) on x as (B, factor, C / factor, H, W).

    Second derivatives are not available in eager mode.

    Args:
        channels: C, a multiple of factor.
        factor: Number of groups, 1 or more; all share the weights, of k = C / factor channels.

    Raises:
        ValueError: channels cannot be split into that many groups.

    Source: paper, section 3. Parameter names are those of the authors' checkpoints.
    """

    def __init__(self, channels: int, factor: int = 32):
        super().__init__()
        if channels < 1 or factor < 1:
            raise ValueError(
                f"EMA: channels and factor must be 1 or more, found {channels} and {factor}; factor is usually 32."
            )
        if channels % factor:
            fits = [n for n in range(1, channels + 1) if channels % n == 0]
            near = [*[n for n in fits if n < factor][-1:], *[n for n in fits if n > factor][:1]]
            nearest = "factors that fit are" if near[1:] else "factor that fits is"
            raise ValueError(
                f"EMA: {channels} channels cannot be split into {factor} groups; "
                f"the nearest {nearest} {' and '.join(map(str, near))}."
            )
        self.factor = factor
        k = channels // factor
        self.conv1x1 = nn.Conv2d(k, k, 1)
        self.gn = nn.GroupNorm(k, k)  # holds gamma and beta; never called
        self.conv3x3 = nn.Conv2d(k, k, 3, padding=1)  # holds the kernel; never called

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        groups = x.contiguous().view(-1, self.gn.num_channels, height, width)  # (B * factor, k, H, W)
        if torch.onnx.is_in_onnx_export():
            return self._exported(groups, height, width).view_as(x)
        # What is traced (TorchScript) or compiled must be plain operators.
        traced = _traced()
        own = torch.is_grad_enabled() and not traced
        pool, weigh = (_Pool.apply, _Weigh.apply) if own else (_pool, lambda *args: _weigh(*args)[0])
        groups, rows, columns, ends = pool(groups)

        dtype = self.conv1x1.weight.dtype  # differs from x.dtype under autocast
        pooled = torch.cat([rows, columns], 2).to(dtype)
        if traced:
            gates = self.conv1x1(pooled[..., None])[..., 0]
        else:  # on so few pixels a matrix product takes a fifth of what a convolution does
            weight = self.conv1x1.weight.flatten(1).expand(len(groups), -1, -1)
            gates = torch.baddbmm(self.conv1x1.bias[:, None], weight, pooled)
        gate_rows, gate_columns = gates.sigmoid().to(x.dtype).split([height, width], 2)

        means = _shifted_means(columns, ends[0], ends[1], height, 2)  # (N, k, 3, W)
        means = _shifted_means(means.mean(3), means[..., 0], means[..., -1], width, 3)  # (N, k, 3, 3)
        taps = self.conv3x3.weight.flatten(1)
        convolved_mean = F.linear(means.flatten(1).to(dtype), taps, self.conv3x3.bias)

        weights = convolved_mean.softmax(1)  # (N, k): of the normalised branch
        constant = self.gn.bias.softmax(0)  # (k,): of the convolved branch
        kernel = (constant[:, None] * self.conv3x3.weight.flatten(1)).sum(0).view(-1, 9).t()  # (9, k)
        offset = weights @ self.gn.bias.to(weights.dtype) + (constant * self.conv3x3.bias).sum()  # (N,)
        out = weigh(groups, gate_rows, gate_columns, weights * self.gn.weight, kernel, offset, self.gn.eps)
        return out.view(-1, self.factor * self.gn.num_channels, height, width)

    def _exported(self, groups, height, width):
        """(N, k, H, W) -> (N, k, H, W) for runtimes, which fuse little: every operator is a pass and small ones add up.

        Not for torch, whose transposed convolution on a CPU takes several times as long as all the rest.
        """
        rows, columns = groups.mean(3, keepdim=True), groups.mean(2, keepdim=True)
        gates = self.conv1x1(rows).sigmoid() @ self.conv1x1(columns).sigmoid()
        gn, taps, ends = self.gn, self.conv3x3.weight, [0, -1]
        # The operator itself, since the functional form refuses maps of one pixel.
        normalised = torch.instance_norm(groups * gates, gn.weight, gn.bias, None, None, True, 0.0, gn.eps, False)

        # `_shifted_means` with the subtractions left to the taps, which are constants of the graph.
        summary = torch.cat([columns, groups[:, :, ends] / height], 2)
        summary = torch.cat([summary.mean(3, keepdim=True), summary[..., ends] / width], 3)  # (N, k, 3, 3)
        convolved_mean = F.conv2d(summary, _on_summary(taps), self.conv3x3.bias)
        weights = convolved_mean.view(-1, 1, gn.num_channels).softmax(2)

        constant = gn.bias.softmax(0)[None]
        kernel = torch.matmul(constant, taps.flip(2, 3).view(gn.num_channels, -1)).view(-1, 1, 3, 3)
        offset = torch.matmul(constant, self.conv3x3.bias)
        # Nine planes added with a shift each, as in `_convolved`, are one operator: the transpose of a convolution.
        score = F.conv_transpose2d(groups, kernel, offset, padding=1)
        score = score + torch.matmul(weights, normalised.flatten(2)).view_as(score)
        return groups * score.sigmoid()


def _traced():
    return torch.jit.is_tracing() or torch.compiler.is_compiling()


def _shifted_means(mean, first, last, size, dim):
    """Means of x over an axis, shifted by -1, 0, 1 along it, as a new axis: a shift by -1 loses the last entry, by 1 the first."""
    return torch.stack([mean - last / size, mean, mean - first / size], dim)


def _on_summary(taps):
    """Taps (k, k, 3, 3) on `_shifted_means` -> taps on the mean, first / size and last / size that these are made of."""
    for dim in (2, 3):
        before, middle, after = (taps.narrow(dim, tap, 1) for tap in range(3))
        taps = torch.cat([before + middle + after, -after, -before], dim)
    return taps


def _pool(x):
    """x (N, k, H, W) -> x, row means (N, k, H), column means (N, k, W), first and last row (2, N, k, W)."""
    return x, x.mean(3), x.mean(2), torch.stack([x[:, :, 0], x[:, :, -1]])


def _weigh(x, gate_rows, gate_columns, scale, kernel, offset, eps):
    """x (N, k, H, W) -> x * sigmoid(scale . normalised(x * gates) + conv3x3(x) + offset), and more for the backward."""
    score = _convolved(x, kernel) + offset[:, None, None]  # first, while its nine planes are the only map in memory
    normalised, mean, rstd = _normalised(x, gate_rows, gate_columns, scale, eps)
    gate = (score + normalised).sigmoid()[:, None].to(x.dtype)
    return x * gate, gate, mean, rstd


def _convolved(x, kernel):
    """x (N, k, H, W), kernel (9, k) -> (N, H, W). Nine planes and shifts: on a CPU several times as fast as conv2d."""
    planes = torch.matmul(kernel.to(x.dtype), x.flatten(2)).view(-1, 3, 3, *x.shape[2:])
    left, middle, right = planes.unbind(2)
    if _traced():  # converters may not know that a slice shares memory
        up, middle, down = (middle + F.pad(left[..., :-1], (1, 0)) + F.pad(right[..., 1:], (0, 1))).unbind(1)
        return middle + F.pad(up[:, :-1], (0, 0, 1, 0)) + F.pad(down[:, 1:], (0, 0, 0, 1))
    middle[..., 1:] += left[..., :-1]
    middle[..., :-1] += right[..., 1:]
    up, middle, down = middle.unbind(1)
    middle[:, 1:] += up[:, :-1]
    middle[:, :-1] += down[:, 1:]
    return middle


def _normalised(x, gate_rows, gate_columns, scale, eps):
    """x (N, k, H, W) -> scale . (x * gates - mean) * rstd (N, H, W), mean (N, k, 1, 1), rstd (N, k)."""
    # In place and in steps: addcmul with two broadcast arguments takes several times as long on a CPU.
    gated = (x * gate_columns[:, :, None]).mul_(gate_rows[..., None]).flatten(2)
    mean = gated.mean(2, keepdim=True)
    centred = gated.sub_(mean)
    variance = torch.linalg.vector_norm(centred, dim=2, dtype=_wide(x)).square() / x.shape[2] / x.shape[3]
    rstd = torch.rsqrt(variance + eps)
    return torch.bmm((scale * rstd).to(x.dtype)[:, None], centred).view(-1, *x.shape[2:]), mean[..., None], rstd


def _wide(x):
    return torch.promote_types(x.dtype, torch.float32)  # sums over H * W overflow in half precision


class _Pool(torch.autograd.Function):
    """`_pool`; x goes through it so that the gradients of the means are added to that of the map in place."""

    @staticmethod
    def forward(ctx, x):
        x, *pooled = _pool(x)
        return x.view_as(x), *pooled

    @staticmethod
    @once_differentiable
    def backward(ctx, dx, drows, dcolumns, dends):
        dx.add_(drows[..., None], alpha=1 / dx.shape[3]).add_(dcolumns[:, :, None], alpha=1 / dx.shape[2])
        dx[:, :, 0] += dends[0]
        dx[:, :, -1] += dends[1]
        return dx


class _Weigh(torch.autograd.Function):
    """`_weigh`; keeps x and small tensors; its backward makes two maps, one of which is the result."""

    @staticmethod
    def forward(ctx, x, gate_rows, gate_columns, scale, kernel, offset, eps):
        out, gate, mean, rstd = _weigh(x, gate_rows, gate_columns, scale, kernel, offset, eps)
        ctx.save_for_backward(x, gate_rows[..., None], gate_columns[:, :, None], scale, kernel, gate, mean, rstd)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        x, gate_rows, gate_columns, scale, kernel, gate, mean, rstd = ctx.saved_tensors
        size = x.shape[2:].numel()
        dout = dout.contiguous()  # the maps made from it are flattened and written in place
        scratch = dout * x
        dscore = scratch.sum(1, keepdim=True) * gate * (1 - gate)  # (N, 1, H, W)
        flat = dscore.flatten(2)
        dscore_sum = flat.sum(2, dtype=_wide(x))  # (N, 1)

        gated = torch.mul(x, gate_columns, out=scratch)
        centred = (gated * gate_rows).sub_(mean)
        dscale = torch.bmm(centred.flatten(2), flat.transpose(1, 2))[..., 0] * rstd
        # GroupNorm: d centred = a * (dscore - its mean) - normalised * its mean product with a * dscore.
        a = scale * rstd
        slope, level = (-a * dscale * rstd / size).to(x.dtype), (-a * dscore_sum / size).to(x.dtype)
        dx = centred.mul_(slope[..., None, None]).add_(level[..., None, None])
        dx.flatten(2).baddbmm_(a.to(x.dtype)[..., None], flat)
        drows = gated.mul_(dx).sum(3)
        dx.mul_(gate_rows)
        dcolumns = torch.mul(dx, x, out=scratch).sum(2)
        dx.mul_(gate_columns)

        shifted = F.pad(dscore[:, 0], (1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1)  # (N, H, W, 3, 3), a view
        shifted = shifted.permute(0, 3, 4, 1, 2).flatten(3).flatten(1, 2)  # (N, 9, H * W), the kernel's last tap first
        dkernel = torch.bmm(shifted, x.flatten(2).transpose(1, 2)).sum(0, dtype=_wide(x)).flip(0)
        dx.flatten(2).baddbmm_(kernel.flip(0).to(x.dtype).t().expand(len(x), -1, -1), shifted)
        dx.add_(torch.mul(dout, gate, out=scratch))
        return dx, drows, dcolumns, dscale, dkernel, dscore_sum[:, 0], None
