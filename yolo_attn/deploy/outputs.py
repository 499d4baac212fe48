"""Raw outputs of a head by their meaning, and their differences on the scale on which each is used.

Boxes: pixels of the network's input. Scores are probabilities, and an error of a score p has two sources: the runtime's sigmoid, which is
off by a constant (1.2e-7 in onnxruntime), and the value before the sigmoid, whose error arrives multiplied by p (1 - p). What is neither,
such as mask coefficients, prototypes and angles, is compared with its own largest value.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from ultralytics.nn.modules.head import Detect, Pose, RTDETRDecoder
from ultralytics.nn.tasks import BaseModel


class ParityError(ValueError):
    """An exported file gives other numbers than its model."""


@dataclass(frozen=True)
class Tolerance:
    """Largest differences that outputs may have."""

    pixels: float  # of coordinates, in pixels of the network's input
    probability: float  # of a score, whatever its value
    logit: float  # of a score before its sigmoid or softmax
    relative: float  # of all other outputs, as a share of the largest value

    def of_scores(self, scores: np.ndarray) -> np.ndarray:
        """Return by how much each score may differ."""
        return self.probability + self.logit * scores * (1 - scores)


@dataclass(frozen=True)
class Difference:
    """The outputs of one kind."""

    kind: str  # "boxes", "scores", ...
    largest: float  # the difference that uses up most of what is allowed there
    allowed: float  # what is allowed there
    unit: str  # of both

    @property
    def share(self) -> float:
        """The difference as a share of what is allowed; above 1 the file is wrong."""
        return self.largest / self.allowed

    def __str__(self) -> str:
        return (
            f"{self.kind} differ from torch by {self.largest:.1e}{self.unit}, allowed are {self.allowed:.1e}{self.unit}"
        )


def tensors(outputs: object) -> list[torch.Tensor]:
    """Flatten nested lists, tuples and dictionaries of tensors, in their order."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    nested = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list | tuple) else ()
    return [tensor for entry in nested for tensor in tensors(entry)]


def logits(network: BaseModel, images: torch.Tensor) -> np.ndarray:
    """Compute all scores of a torch model before their sigmoid; an empty array if its outputs are no scores."""
    output, head = tensors(network(images))[0].double().numpy(), network.model[-1]
    if output.ndim == 3 and isinstance(head, Detect | RTDETRDecoder):
        rows = output if _picks_boxes(head) else output.transpose(0, 2, 1)
        output = rows[..., _columns(head, rows.shape[-1])["scores"]]
    elif output.ndim != 2:
        return np.empty(0)
    clipped = output.clip(1e-30, 1 - 1e-12)
    return np.log(clipped) - np.log1p(-clipped)


def differences(
    head: nn.Module, size: tuple[int, int], truth: np.ndarray, output: np.ndarray, tolerance: Tolerance
) -> list[Difference]:
    """Compare one raw output, torch's and the file's, float64 of one shape; `size` is (H, W) of the network's input.

    Raises:
        ParityError: The file picks boxes of other classes.
    """
    if truth.ndim == 2:  # (B, classes) of a classifier
        return [_difference("scores", truth, output, tolerance)]
    if truth.ndim != 3 or not isinstance(head, Detect | RTDETRDecoder):
        return [_difference("outputs", truth, output, tolerance)]
    if _picks_boxes(head):
        truth, output = _paired(truth, output, tolerance)
    else:
        truth, output = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (truth, output))
    if isinstance(head, RTDETRDecoder):  # its boxes are shares of width and height
        truth[:, :4] *= [*size[::-1]] * 2
        output[:, :4] *= [*size[::-1]] * 2
    kinds = _columns(head, truth.shape[1])
    return [_difference(kind, truth[:, place], output[:, place], tolerance) for kind, place in kinds.items()]


def _picks_boxes(head: nn.Module) -> bool:
    """Tell whether the output is (B, N, 6 + extra): only the best boxes, in an order that rounding may change."""
    return isinstance(head, RTDETRDecoder) or bool(getattr(head, "end2end", False))


def _columns(head: Detect, channels: int) -> dict[str, list[int]]:
    """{kind: columns} of a head for boxes; scores are one column for each class, or only the best one."""
    picked = _picks_boxes(head)
    end = 6 if picked else 4 + head.nc
    scores = [4] if picked else range(4, end)
    kinds: dict[str, Iterable[int]] = {"boxes": range(4), "scores": scores, "extra outputs": range(end, channels)}
    if isinstance(head, Pose):
        count, size = head.kpt_shape
        points = np.arange(end, end + count * size).reshape(count, size)
        kinds |= {"keypoints": points[:, :2].ravel(), "visibilities": points[:, 2:].ravel(), "extra outputs": []}
    return {kind: list(numbers) for kind, numbers in kinds.items() if list(numbers)}


def _difference(kind: str, truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> Difference:
    if kind in ("boxes", "keypoints"):
        allowed, unit = np.full(truth.shape, tolerance.pixels), " px"
    elif kind in ("scores", "visibilities"):
        allowed, unit = tolerance.of_scores(truth), ""
    else:
        allowed, unit = np.full(truth.shape, tolerance.relative * max(np.abs(truth).max(initial=0), 1e-30)), ""
    error = np.abs(truth - output)
    if not error.size:
        return Difference(kind, 0.0, tolerance.probability, unit)
    place = np.unravel_index((error / allowed).argmax(), error.shape)
    return Difference(kind, float(error[place]), float(allowed[place]), unit)


def _paired(truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Two lists of picked boxes (B, N, 6 + extra) -> rows of both that belong together, (M, 6 + extra) each.

    Every row of either list gets the nearest row of its class in the other.
    """
    pairs = []
    for expected, given in zip(truth, output, strict=True):
        pairs += [_nearest(expected, given, tolerance), _nearest(given, expected, tolerance)[::-1]]
    from_torch, from_file = zip(*pairs, strict=True)
    return np.concatenate(from_torch), np.concatenate(from_file)


def _nearest(rows: np.ndarray, others: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their nearest others, (M, 6 + extra) each.

    Rows that score like the last one of their list are left out: there the list was cut, and rounding may let another one in.
    """
    allowed = tolerance.of_scores(rows[:, 4])
    above_cut = rows[:, 4] > rows[:, 4].min() + 2 * allowed
    rows, allowed = rows[above_cut], allowed[above_cut]
    pixels = np.abs(rows[:, None, :4] - others[None, :, :4]).max(2, initial=0) / tolerance.pixels
    scores = np.abs(rows[:, None, 4] - others[None, :, 4]) / allowed[:, None]
    distance = np.maximum(pixels, scores) + np.where(rows[:, None, 5] == others[None, :, 5], 0, np.inf)
    if np.isinf(distance.min(1)).any():
        raise ParityError("gives boxes of other classes than torch")
    return rows, others[distance.argmin(1)]
