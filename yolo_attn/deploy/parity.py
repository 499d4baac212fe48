"""Compare the raw outputs of an exported file and of its torch model on random images.

Every output is compared on the scale on which it is used. Boxes: pixels of the network's input. Scores are probabilities, and an error of
a score p has two sources: the runtime's sigmoid, which is off by a constant (1.2e-7 in onnxruntime), and the value before the sigmoid,
whose error arrives multiplied by p (1 - p). A score may therefore differ by `probability` + `logit` p (1 - p). What is neither, such as
mask coefficients, prototypes and angles, is compared with its own largest value.

An untrained model, as it comes out of a YAML, lets an image fade from row to row until its scores are those of the biases alone; then a
wrong weight changes no output. The images are therefore made stronger, by factors of ten, until the scores depend on them.

docs/parity.md has the measured margin: by how much correct files of all families differ, and how little wrong ones.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from ultralytics.nn.modules.head import Detect, RTDETRDecoder
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.outputs import columns, logits, picks_boxes, tensors
from yolo_attn.deploy.runtimes import RUN_ERRORS, Run, first_line

STRONGEST = 1e8  # the largest factor by which images are made stronger
RESPONSE = 1.0  # by how much, in logits, the scores of an image must differ from those of a black one


class ParityError(ValueError):
    """An exported file gives other numbers than its model."""


@dataclass(frozen=True)
class Tolerance:
    """Largest differences that outputs may have.

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
        largest, allowed = f"{self.largest:.1e}{self.unit}", f"{self.allowed:.1e}{self.unit}"
        return f"{self.kind} differ from torch by {largest}, allowed are {allowed}"


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
        raise ParityError(f"does not run: {first_line(error)}") from error
    differences = []
    for number, output in enumerate(given):
        candidates = expected[1:] if number else expected[:1]  # of torch's further outputs not all are exported
        truth = next((values for values in candidates if values.shape == output.shape), None)
        if truth is None:
            shapes = ", ".join(str(values.shape) for values in candidates) or "no further one"
            raise ParityError(f"gives an output of shape {output.shape}, where torch gives {shapes}")
        for values, whose in ((truth, "torch"), (output, "the file")):
            if missing := int((~np.isfinite(values)).sum()):
                raise ParityError(f"cannot be compared: {missing} of {values.size} outputs of {whose} are not finite")
        in_float64 = truth.astype(np.float64), output.astype(np.float64)
        differences += _differences(network.model[-1], images.shape, *in_float64, tolerance)
    return tuple(differences)


def strength(network: BaseModel, shape: tuple[int, int, int, int]) -> float:
    """Find the smallest power of ten by which random images must be multiplied for the scores to depend on them."""
    images, factor = random_images(shape), 1.0
    with torch.no_grad():
        black = logits(network, torch.zeros(shape))
        while factor < STRONGEST and np.abs(logits(network, images * factor) - black).max(initial=0) < RESPONSE:
            factor *= 10
    return factor


def random_images(shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Draw (B, C, H, W) in 0..1: patches of colour with noise on them, as noise alone would average out in the first layers."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand((*shape[:2], shape[2] // 16 + 1, shape[3] // 16 + 1), generator=generator)
    return 0.8 * F.interpolate(patches, shape[2:], mode="bilinear") + 0.2 * torch.rand(shape, generator=generator)


def _differences(
    head: nn.Module, shape: torch.Size, truth: np.ndarray, output: np.ndarray, tolerance: Tolerance
) -> list[Difference]:
    if truth.ndim == 2:  # (B, classes) of a classifier
        return [_difference("scores", truth, output, tolerance)]
    if truth.ndim != 3 or not isinstance(head, Detect | RTDETRDecoder):
        return [_difference("outputs", truth, output, tolerance)]
    if picks_boxes(head):
        truth, output = _paired(truth, output, tolerance)
    else:
        truth, output = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (truth, output))
    if isinstance(head, RTDETRDecoder):  # its boxes are shares of width and height
        size = np.ones(truth.shape[1])
        size[:4] = [shape[3], shape[2]] * 2
        truth, output = truth * size, output * size
    kinds = columns(head, truth.shape[1])
    return [_difference(kind, truth[:, place], output[:, place], tolerance) for kind, place in kinds.items()]


def _difference(kind: str, truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> Difference:
    if kind in ("boxes", "keypoints"):
        allowed, unit = np.full(truth.shape, tolerance.pixels), " px"
    elif kind in ("scores", "visibilities"):
        allowed, unit = tolerance.probability + tolerance.logit * truth * (1 - truth), ""
    else:
        allowed, unit = np.full(truth.shape, tolerance.relative * max(np.abs(truth).max(initial=0), 1e-30)), ""
    error = np.abs(truth - output)
    if not error.size:
        return Difference(kind, 0.0, float(tolerance.probability), unit)
    place = np.unravel_index((error / allowed).argmax(), error.shape)
    return Difference(kind, float(error[place]), float(allowed[place]), unit)


def _paired(truth: np.ndarray, output: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Two lists of picked boxes (B, N, 6 + extra) -> rows of both that belong together, (M, 6 + extra) each.

    Every row of either list gets the nearest row of its class in the other.
    """
    from_torch, from_file = [], []
    for expected, given in zip(truth, output, strict=True):
        rows, nearest = _nearest(expected, given, tolerance)
        from_torch.append(rows)
        from_file.append(nearest)
        rows, nearest = _nearest(given, expected, tolerance)
        from_torch.append(nearest)
        from_file.append(rows)
    return np.concatenate(from_torch), np.concatenate(from_file)


def _nearest(rows: np.ndarray, others: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their nearest others, (M, 6 + extra) each.

    Rows that score like the last one of their list are left out: there the list was cut, and rounding may let another one in.
    """
    allowed = tolerance.probability + tolerance.logit * rows[:, 4] * (1 - rows[:, 4])
    above_cut = rows[:, 4] > rows[:, 4].min() + 2 * allowed
    rows, allowed = rows[above_cut], allowed[above_cut]
    pixels = np.abs(rows[:, None, :4] - others[None, :, :4]).max(2, initial=0) / tolerance.pixels
    scores = np.abs(rows[:, None, 4] - others[None, :, 4]) / allowed[:, None]
    distance = np.maximum(pixels, scores) + np.where(rows[:, None, 5] == others[None, :, 5], 0, np.inf)
    if np.isinf(distance.min(1)).any():
        raise ParityError("gives boxes of other classes than torch")
    return rows, others[distance.argmin(1)]
