"""Columns of a head's raw output by their meaning: boxes, scores, keypoints and the rest."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from ultralytics.nn.modules.head import Detect, Pose, RTDETRDecoder
from ultralytics.nn.tasks import BaseModel


def tensors(outputs: object) -> list[torch.Tensor]:
    """Flatten nested lists, tuples and dictionaries of tensors, in their order."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    nested = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list | tuple) else ()
    return [tensor for entry in nested for tensor in tensors(entry)]


def picks_boxes(head: nn.Module) -> bool:
    """Return whether the output is (B, N, 6 + extra): only the best boxes, in an order that rounding may change."""
    return isinstance(head, RTDETRDecoder) or bool(getattr(head, "end2end", False))


def columns(head: Detect, channels: int) -> dict[str, list[int]]:
    """{kind: columns} of a head for boxes; scores are one column for each class, or only the best one."""
    picked = picks_boxes(head)
    end = 6 if picked else 4 + head.nc
    scores = [4] if picked else range(4, end)
    kinds: dict[str, Iterable[int]] = {"boxes": range(4), "scores": scores, "extra outputs": range(end, channels)}
    if isinstance(head, Pose):
        count, size = head.kpt_shape
        points = np.arange(end, end + count * size).reshape(count, size)
        kinds |= {"keypoints": points[:, :2].ravel(), "visibilities": points[:, 2:].ravel(), "extra outputs": []}
    return {kind: list(numbers) for kind, numbers in kinds.items() if list(numbers)}


def logits(network: BaseModel, images: torch.Tensor) -> np.ndarray:
    """Compute all scores of a torch model before their sigmoid; an empty array if its outputs are no scores."""
    output, head = tensors(network(images))[0].double().numpy(), network.model[-1]
    if output.ndim == 3 and isinstance(head, Detect | RTDETRDecoder):
        rows = output if picks_boxes(head) else output.transpose(0, 2, 1)
        output = rows[..., columns(head, rows.shape[-1])["scores"]]
    elif output.ndim != 2:
        return np.empty(0)
    clipped = output.clip(1e-30, 1 - 1e-12)
    return np.log(clipped) - np.log1p(-clipped)
