"""The layer that a map is of: a row of the model, or its last attention layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from yolo_attn.analysis.attention_layers import attention_layers
from yolo_attn.analysis.cam.scoring import ScoringNetwork
from yolo_attn.analysis.cam.target import Target


def candidates(network: ScoringNetwork, row: int | None) -> dict[str, nn.Module]:
    """{path: layer} of a row, or of all attention layers in the order of the model.

    Raises:
        ValueError: The model has no such row, or no attention layer.
    """
    last = len(network.rows) - 1
    if row is None:
        try:
            return attention_layers(network.network)
        except ValueError as error:
            raise ValueError(
                f"{error}; give the row whose feature map is looked at, such as --row {last - 1}"
            ) from error
    if not 0 <= row <= last:
        raise ValueError(f"row {row}: the model has rows 0 to {last}")
    return {f"model.{row}": network.rows[row]}


def slopes(
    network: ScoringNetwork, layers: Mapping[str, nn.Module], images: torch.Tensor, target: Target
) -> dict[str, torch.Tensor | None]:
    """{path: gradient of the target by the feature map of the layer (1, C, h, w)}; None if the target does not depend on it.

    Raises:
        ValueError: A layer has no feature map.
    """
    outputs: dict[str, torch.Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda module, inputs, out, path=path: outputs.update({path: out}))
        for path, layer in layers.items()
    ]
    try:
        with torch.enable_grad():
            score = target(network(images)[0])
    finally:
        for hook in hooks:
            hook.remove()
    for path, out in outputs.items():
        if not isinstance(out, torch.Tensor) or out.ndim != 4 or out.shape[2:].numel() < 2:
            shape = f"has the shape {tuple(out.shape)}" if isinstance(out, torch.Tensor) else "is no single tensor"
            raise ValueError(
                f"{path}, {type(layers[path]).__name__}: its output {shape}, which is no feature map; give another row by --row"
            )
    gradients = torch.autograd.grad(score, [*outputs.values()], allow_unused=True)
    return {
        path: gradient if gradient is not None and gradient.any() else None
        for path, gradient in zip(outputs, gradients, strict=True)
    }
