"""EMA for training under torch.compile: the passes of `_ema_training` as operators that the compiler calls as they are.

Left to differentiate plain operators, the compiler finds none of the steps that make the backward short.
"""

import torch
from torch import Tensor, nn

from yolo_attn.layers import _ema_training
from yolo_attn.layers._ema_inference import coefficients, pooled, weighted


def is_training_compiled() -> bool:
    """Return whether torch.compile, but not torch.export, records with gradients: an exported file must run without this package.

    Before torch 2.7, which cannot tell the two apart, it is False.
    """
    is_exporting = getattr(torch.compiler, "is_exporting", None)
    return bool(is_exporting and torch.compiler.is_compiling() and torch.is_grad_enabled() and not is_exporting())


def gated(x: Tensor, conv1x1: nn.Conv2d, gn: nn.GroupNorm, conv3x3: nn.Conv2d) -> Tensor:
    """x (B, C, H, W) -> x * gate, gate (B, factor, 1, H, W) in (0, 1)."""
    groups = x.contiguous().view(-1, gn.num_channels, *x.shape[2:])
    out, *_ = _weighted(groups, *coefficients(*pooled(groups), conv1x1, gn, conv3x3), gn.eps)
    return out.view(x.shape)


def _weighted_op(
    x: Tensor, gate_rows: Tensor, gate_columns: Tensor, scale: Tensor, kernel: Tensor, offset: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return weighted(x, gate_rows, gate_columns, scale, kernel, offset, eps)


def _gradients_op(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    inputs = (x, gate_rows, gate_columns, scale, kernel, offset)
    found = _ema_training.gradients(dout, *inputs, gate, mean, rstd)
    first, second, third, fourth, fifth, sixth = (
        gradient.to(value.dtype).contiguous() for gradient, value in zip(found, inputs, strict=True)
    )
    return first, second, third, fourth, fifth, sixth


if hasattr(torch.compiler, "is_exporting"):
    _weighted = torch.library.custom_op("yolo_attn::ema_weighted", _weighted_op, mutates_args=())
    _gradients = torch.library.custom_op("yolo_attn::ema_gradients", _gradients_op, mutates_args=())

    @_weighted.register_fake
    def _weighted_shapes(
        x: Tensor, gate_rows: Tensor, gate_columns: Tensor, scale: Tensor, kernel: Tensor, offset: Tensor, eps: float
    ) -> tuple[Tensor, ...]:
        groups, k, height, width = x.shape
        statistics = torch.promote_types(x.dtype, torch.float32)
        shapes = x.new_empty(x.shape), x.new_empty(groups, 1, height, width), x.new_empty(groups, k, 1, 1)
        return *shapes, x.new_empty(groups, k, dtype=statistics)

    @_gradients.register_fake
    def _gradients_shapes(dout: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(value.new_empty(value.shape) for value in tensors[:6])

    def _save(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[:6], *output[1:])

    def _backward(ctx: torch.autograd.function.FunctionCtx, dout: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        return *_gradients(dout, *ctx.saved_tensors), None  # type: ignore[attr-defined]

    _weighted.register_autograd(_backward, setup_context=_save)
