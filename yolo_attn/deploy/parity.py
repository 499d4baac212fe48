"""Whether an exported file computes what its torch model computes: the raw outputs of both on random images.

Every output is compared on the scale on which it is used. Boxes: pixels of the network's input. Scores are probabilities, and an error of
a score p has two sources: the runtime's sigmoid, which is off by a constant (1.2e-7 in onnxruntime), and the value before the sigmoid,
whose error arrives multiplied by p (1 - p). A score may therefore differ by `probability` + `logit` p (1 - p). What is neither, such as
mask coefficients, prototypes and angles, is compared with its own largest value.

An untrained model, as it comes out of a YAML, lets an image fade from row to row until its scores are those of the biases alone; then a
wrong weight changes no output. The images are therefore made stronger, by factors of ten, until the scores depend on them.

docs/parity.md has the measured margin: by how much correct files of all families differ, and how little wrong ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from ultralytics.nn.modules.head import Detect, Pose, RTDETRDecoder
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.runtimes import RUN_ERRORS, Run, tensors

STRONGEST = 1e8  # the largest factor by which images are made stronger
RESPONSE = 1.0  # by how much, in logits, the scores of an image must differ from those of a black one


class ParityError(ValueError):
    """An exported file gives other numbers than its model."""


@dataclass(frozen=True)
class Tolerance:
    """By how much outputs may differ.

    Attributes:
        pixels: Of coordinates, in pixels of the network's input.
        probability: Of a score, whatever its value.
        logit: Of a score before its sigmoid or softmax.
        relative: Of all other outputs, as a share of the largest value.
    """

    pixels: float
    probability: float
    logit: float
    relative: float


FLOAT = Tolerance(pixels=0.05, probability=1e-6, logit=2e-3, relative=1e-4)
HALF = Tolerance(pixels=8.0, probability=1e-3, logit=0.5, relative=5e-2)


@dataclass(frozen=True)
class Difference:
    """The outputs of one kind.

    Attributes:
        kind: "boxes", "scores", ...
        largest: The difference that uses up most of what is allowed there.
        allowed: What is allowed there.
        unit: Of both.
    """

    kind: str
    largest: float
    allowed: float
    unit: str

    @property
    def share(self) -> float:
        """The difference as a share of what is allowed; above 1 the file is wrong."""
        return self.largest / self.allowed

    def __str__(self) -> str:
        return (
            f"{self.kind} differ from torch by {self.largest:.1e}{self.unit}, allowed are {self.allowed:.1e}{self.unit}"
        )


@dataclass(frozen=True)
class Comparison:
    """One comparison of all raw outputs.

    Attributes:
        shape: (B, C, H, W) of the input.
        factor: By which the images, drawn from 0..1, were multiplied.
        differences: One for each kind of output.
        feature_maps: The largest relative difference of a feature map inside the file; None if they were not compared.
    """

    shape: tuple[int, int, int, int]
    factor: float
    differences: tuple[Difference, ...]
    feature_maps: float | None

    @property
    def worst(self) -> Difference:
        """The difference with the largest share of what is allowed."""
        return max(self.differences, key=lambda difference: difference.share)


def compare(network: BaseModel, run: Run, images: torch.Tensor, tolerance: Tolerance) -> tuple[Difference, ...]:
    """Compare the raw outputs of `network` with those of an exported file.

    Args:
        network: The torch model, in eval mode, float32 on the CPU.
        run: The file, as `runtimes.opened` gives it.
        images: (B, C, H, W).
        tolerance: What is allowed.

    Raises:
        ParityError: The file does not run on these images, or its outputs have other shapes or are no numbers.
    """
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in tensors(network(images))]
    try:
        given = run(images)
    except RUN_ERRORS as error:
        raise ParityError(f"does not run: {str(error).splitlines()[0]}") from error
    partners = [expected[0], *(_of_shape(output.shape, expected[1:]) for output in given[1:])]
    differences = []
    for truth, output in zip(partners, given, strict=True):
        if truth.shape != output.shape:
            raise ParityError(f"gives an output of shape {output.shape}, where torch gives {truth.shape}")
        for values, whose in ((truth, "torch"), (output, "the file")):
            if missing := int((~np.isfinite(values)).sum()):
                raise ParityError(f"cannot be compared: {missing} of {values.size} outputs of {whose} are not finite")
        differences += _differences(
            network, images.shape, truth.astype(np.float64), output.astype(np.float64), tolerance
        )
    return tuple(differences)


def strength(network: BaseModel, shape: tuple[int, int, int, int]) -> float:
    """The smallest power of ten by which random images must be multiplied for the scores to depend on them."""
    images, factor = random_images(shape), 1.0
    with torch.no_grad():
        black = _logits(network, torch.zeros(shape))
        while factor < STRONGEST and np.abs(_logits(network, images * factor) - black).max(initial=0) < RESPONSE:
            factor *= 10
    return factor


def random_images(shape: tuple[int, int, int, int]) -> torch.Tensor:
    """(B, C, H, W) in 0..1, patches of colour with noise on them: all noise would average out in the first layers."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand((*shape[:2], shape[2] // 16 + 1, shape[3] // 16 + 1), generator=generator)
    return 0.8 * F.interpolate(patches, shape[2:], mode="bilinear") + 0.2 * torch.rand(shape, generator=generator)


def _of_shape(shape: tuple[int, ...], outputs: list[np.ndarray]) -> np.ndarray:
    for output in outputs:
        if output.shape == shape:
            return output
    raise ParityError(f"gives an output of shape {shape}, where torch gives {[output.shape for output in outputs]}")


def _differences(
    network: BaseModel, shape: torch.Size, truth: np.ndarray, output: np.ndarray, tolerance: Tolerance
) -> list[Difference]:
    head = network.model[-1]
    if truth.ndim == 2:  # (B, classes) of a classifier
        return [_difference("scores", truth, output, tolerance)]
    if truth.ndim != 3 or not isinstance(head, Detect | RTDETRDecoder):
        return [_difference("outputs", truth, output, tolerance)]
    if _picks_boxes(head):
        truth, output = _paired(truth, output, tolerance)
    else:
        truth, output = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (truth, output))
    columns = _columns(head, truth.shape[1])
    if isinstance(head, RTDETRDecoder):  # its boxes are shares of width and height
        size = np.ones(truth.shape[1])
        size[:4] = [shape[3], shape[2]] * 2
        truth, output = truth * size, output * size
    return [_difference(kind, truth[:, of], output[:, of], tolerance) for kind, of in columns.items()]


def _difference(kind: str, truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> Difference:
    """The difference that uses up most of what is allowed for this kind of output."""
    if kind in ("boxes", "keypoints"):
        allowed, unit = np.full(truth.shape, tolerance.pixels), " px"
    elif kind in ("scores", "visibilities"):
        allowed, unit = tolerance.probability + tolerance.logit * truth * (1 - truth), ""
    else:
        allowed, unit = np.full(truth.shape, tolerance.relative * max(np.abs(truth).max(initial=0), 1e-30)), ""
    apart = np.abs(truth - output)
    if not apart.size:
        return Difference(kind, 0.0, float(tolerance.probability), unit)
    place = np.unravel_index((apart / allowed).argmax(), apart.shape)
    return Difference(kind, float(apart[place]), float(allowed[place]), unit)


def _paired(truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Two lists of picked boxes (B, N, 6 + extra) -> rows of both that belong together, (M, 6 + extra) each.

    Every row is given the nearest one of its class from the other list, but for rows that score like the last one of their
    list: there the list was cut, and rounding may let another one in.
    """
    pairs = []
    for rows, others in zip(truth, output, strict=True):
        for one_side, other_side in ((rows, others), (others, rows)):
            score = one_side[:, 4]
            allowed = tolerance.probability + tolerance.logit * score * (1 - score)
            kept, allowed = one_side[score > score.min() + 2 * allowed], allowed[score > score.min() + 2 * allowed]
            far = np.abs(kept[:, None, :4] - other_side[None, :, :4]).max(2, initial=0) / tolerance.pixels
            apart = np.abs(kept[:, None, 4] - other_side[None, :, 4]) / allowed[:, None]
            distance = np.maximum(far, apart) + np.where(kept[:, None, 5] == other_side[None, :, 5], 0, np.inf)
            if np.isinf(distance.min(1)).any():
                raise ParityError("gives boxes of other classes than torch")
            nearest = other_side[distance.argmin(1)]
            pairs.append((kept, nearest) if one_side is rows else (nearest, kept))
    ours, theirs = zip(*pairs, strict=True)
    return np.concatenate(ours), np.concatenate(theirs)


def _columns(head: Detect, channels: int) -> dict[str, list[int]]:
    """{kind: columns} of the output of a head for boxes; scores are one column for each class, or the best one and its class."""
    picked = _picks_boxes(head)
    end = 6 if picked else 4 + head.nc
    scores = [4] if picked else range(4, end)
    kinds: dict[str, Iterable[int]] = {"boxes": range(4), "scores": scores, "extra outputs": range(end, channels)}
    if isinstance(head, Pose):
        count, size = head.kpt_shape
        points = np.arange(end, end + count * size).reshape(count, size)
        kinds |= {"keypoints": points[:, :2].ravel(), "visibilities": points[:, 2:].ravel(), "extra outputs": []}
    return {kind: list(columns) for kind, columns in kinds.items() if list(columns)}


def _picks_boxes(head: nn.Module) -> bool:
    """Whether the output is (B, N, 6 + extra), the best boxes alone, in an order that rounding may change."""
    return isinstance(head, RTDETRDecoder) or bool(getattr(head, "end2end", False))


def _logits(network: BaseModel, images: torch.Tensor) -> np.ndarray:
    """All scores of a torch model, before their sigmoid; none if its outputs are no scores."""
    output, head = tensors(network(images))[0].double().numpy(), network.model[-1]
    if output.ndim == 3 and isinstance(head, Detect | RTDETRDecoder):
        rows = output if _picks_boxes(head) else output.transpose(0, 2, 1)
        output = rows[..., _columns(head, rows.shape[-1])["scores"]]
    elif output.ndim != 2:
        return np.empty(0)
    clipped = output.clip(1e-30, 1 - 1e-12)
    return np.log(clipped) - np.log1p(-clipped)
