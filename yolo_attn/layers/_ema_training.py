"""EMA for training: the operations of `_ema_inference` with a backward of their own.

Autograd would keep two more tensors of the size of x, and write one of zeros for each slice of x. Where a backward is differentiated
itself, autograd does it all.

The derivation, for one group of channels c at pixels p = (h, w), P = H * W of them. Forward, with row gates r, column gates q, scale
s, kernel K over the nine shifts d, and offset o:

    t_c(p) = x_c(p) r_c(h) q_c(w)
    n_c(p) = (t_c(p) - mean of t_c) v_c,  v_c = 1 / sqrt(variance of t_c + eps)
    z(p)   = sum_c s_c n_c(p) + sum_c sum_d K_d,c x_c(p + d) + o
    y_c(p) = x_c(p) g(p),  g(p) = sigmoid(z(p))

Backward, where D stands for the gradient of the loss by what follows it:

    D z(p)  = g(p) (1 - g(p)) sum_c x_c(p) D y_c(p)
    D o     = sum_p D z(p)
    D s_c   = sum_p n_c(p) D z(p)
    D t_c   = v_c (s_c D z - mean of (s_c D z) - n_c mean of (n_c s_c D z)), as for every normalisation
            = a_c D z(p) - a_c D o / P - a_c D s_c n_c(p) / P,  a_c = s_c v_c
    D r_c(h) = sum_w D t_c(p) x_c(p) q_c(w),  D q_c(w) = sum_h D t_c(p) x_c(p) r_c(h)
    D K_d,c = sum_p D z(p) x_c(p + d) = sum_p D z(p - d) x_c(p)
    D x_c(p) = D t_c(p) r_c(h) q_c(w) + sum_d K_d,c D z(p - d) + g(p) D y_c(p), and what comes through the pooled means
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolo_attn.layers._ema_inference import at_least_float32, coefficients, pooled, weighted


def gated(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1)."""
    groups, rows, columns, edges = Pool.apply(x.contiguous().view(-1, gn.num_channels, *x.shape[2:]))
    return Weigh.apply(groups, *coefficients(rows, columns, edges, conv1x1, gn, conv3x3), gn.eps).view(x.shape)


def gradients(
    dout: Tensor,
    x: Tensor,
    gate_rows: Tensor,
    gate_columns: Tensor,
    scale: Tensor,
    kernel: Tensor,
    offset: Tensor,
    gate: Tensor,
    mean: Tensor,
    rstd: Tensor,
) -> tuple[Tensor, ...]:
    """Gradient by the output of `weighted`, its inputs and further outputs -> gradients by its inputs x to offset."""
    gate_rows, gate_columns = gate_rows[..., None], gate_columns[:, :, None]
    size = x.shape[2:].numel()
    dout = dout.contiguous()  # what is made from it is flattened and written in place
    scratch = dout * x
    dscore = scratch.sum(1, keepdim=True) * gate * (1 - gate)  # D z, (N, 1, H, W)
    flat = dscore.flatten(2)
    doffset = flat.sum(2, dtype=at_least_float32(x))  # (N, 1)

    gated = torch.mul(x, gate_columns, out=scratch)
    centred = (gated * gate_rows).sub_(mean)
    dscale = torch.bmm(centred.flatten(2), flat.transpose(1, 2))[..., 0] * rstd

    # D t, written over centred = n / v
    a = scale * rstd
    slope, level = (-a * dscale * rstd / size).to(x.dtype), (-a * doffset / size).to(x.dtype)
    dx = centred.mul_(slope[..., None, None]).add_(level[..., None, None])
    dx.flatten(2).baddbmm_(a.to(x.dtype)[..., None], flat)
    drows = gated.mul_(dx).sum(3)
    dx.mul_(gate_rows)
    dcolumns = torch.mul(dx, x, out=scratch).sum(2)
    dx.mul_(gate_columns)

    # D z(p - d) for the nine shifts d, the last one first, as the windows of D z run from p - 1 to p + 1
    shifted = F.pad(dscore[:, 0], (1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1)  # (N, H, W, 3, 3), a view
    shifted = shifted.permute(0, 3, 4, 1, 2).flatten(3).flatten(1, 2)  # (N, 9, H * W)
    dkernel = torch.bmm(shifted, x.flatten(2).transpose(1, 2)).sum(0, dtype=at_least_float32(x)).flip(0)
    dx.flatten(2).baddbmm_(kernel.flip(0).to(x.dtype).t().expand(len(x), -1, -1), shifted)
    dx.add_(torch.mul(dout, gate, out=scratch))
    return dx, drows, dcolumns, dscale, dkernel, doffset[:, 0]


class Pool(torch.autograd.Function):
    """`pooled`, and x itself: so its backward can add the gradients of the means to that of x in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        return x.view_as(x), *pooled(x)

    @staticmethod
    def backward(ctx: Any, dx: Tensor, drows: Tensor, dcolumns: Tensor, dedges: Tensor) -> Tensor:
        dx = dx.clone() if torch.is_grad_enabled() else dx
        dx.add_(drows[..., None], alpha=1 / dx.shape[3]).add_(dcolumns[:, :, None], alpha=1 / dx.shape[2])
        dx[:, :, 0] += dedges[0]
        dx[:, :, -1] += dedges[1]
        return dx


class Weigh(torch.autograd.Function):
    """`weighted`, keeping x and small tensors; the backward makes two tensors of the size of x, one of which is the result."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gate_rows: Tensor,
        gate_columns: Tensor,
        scale: Tensor,
        kernel: Tensor,
        offset: Tensor,
        eps: float,
    ) -> Tensor:
        out, gate, mean, rstd = weighted(x, gate_rows, gate_columns, scale, kernel, offset, eps)
        ctx.save_for_backward(x, gate_rows, gate_columns, scale, kernel, offset, gate, mean, rstd)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # the gradient is to be differentiated again
            return Weigh._differentiable_backward(ctx, dout, *ctx.saved_tensors[:6])
        return *gradients(dout, *ctx.saved_tensors), None

    @staticmethod
    def _differentiable_backward(ctx: Any, dout: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the output again by operators that autograd records, and the gradients from it."""
        # Views, so that no input is part of another's graph.
        x, gate_rows, gate_columns, scale, kernel, offset = inputs = tuple(tensor.view_as(tensor) for tensor in inputs)
        out = weighted(x, gate_rows, gate_columns, scale, kernel, offset, ctx.eps)[0]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        gradients = iter(torch.autograd.grad(out, wanted, dout, create_graph=True))
        return *(next(gradients) if tensor.requires_grad else None for tensor in inputs), None
