"""Compare an exported file with its torch model on random images of several shapes: raw outputs and feature maps.

An untrained model, as it comes out of a YAML, lets an image fade from row to row until its scores are those of the biases alone; then a
wrong weight changes no output. The images are therefore made stronger, by factors of ten, until the scores depend on them.

docs/results/parity.md has the measured margin: by how much correct files of all families differ, and how little wrong ones.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.nn.tasks import BaseModel

from yolo_attn.deploy.feature_maps import RELATIVE, open_feature_maps
from yolo_attn.deploy.outputs import Difference, ParityError, Tolerance, differences, logits, tensors
from yolo_attn.deploy.runtimes import RUN_ERRORS, Run, first_line, opened

FLOAT = Tolerance(pixels=0.05, probability=1e-6, logit=2e-3, relative=1e-4)
HALF = Tolerance(pixels=8.0, probability=1e-3, logit=0.5, relative=5e-2)
STRONGEST = 1e8  # the largest factor by which images are made stronger
RESPONSE = 1.0  # by how much, in logits, the scores of an image must differ from those of a black one

Shape = tuple[int, int, int, int]  # (B, C, H, W)


@dataclass(frozen=True)
class Comparison:
    """One comparison of all raw outputs."""

    shape: Shape  # of the input
    factor: float  # by which the images, drawn from 0..1, were multiplied
    differences: tuple[Difference, ...]  # one for each kind of output
    feature_maps: float | None  # largest relative difference of one inside the file; None if not compared

    @property
    def worst(self) -> Difference:
        """The difference with the largest share of what is allowed."""
        return max(self.differences, key=lambda difference: difference.share)


def compare_file(
    network: BaseModel, file: Path, tolerance: Tolerance, shapes: Sequence[Shape]
) -> tuple[Comparison, ...]:
    """Compare a model with its exported file, on random images of each shape.

    Raises:
        ParityError: They differ by more than `tolerance`; the message names the input, what differs, and for ONNX the row.
    """
    try:
        run = opened(file)
    except RUN_ERRORS as error:
        raise ParityError(f"{file}: does not open ({first_line(error)}). Do not ship this file") from error
    network = copy.deepcopy(network).cpu().float().eval()
    end2end = bool(metadata(file).get("end2end"))
    if hasattr(network, "end2end") and bool(network.end2end) != end2end:
        network.end2end = end2end  # the head that was exported
    in_float32 = tolerance is not HALF
    factor = strength(network, shapes[0]) if in_float32 else 1.0  # halves end at 65,504
    map_differences = open_feature_maps(network, file) if in_float32 and file.suffix == ".onnx" else lambda _images: {}
    comparisons = []
    for shape in shapes:
        images = random_images(shape)
        try:
            raw = compare(network, run, images * factor, tolerance)
            maps = [entry for scale in sorted({1.0, factor}) for entry in map_differences(images * scale).items()]
            comparison = Comparison(shape, factor, raw, max((relative for _, relative in maps), default=None))
            faults = [str(comparison.worst)] if comparison.worst.share > 1 else []
            faults += [
                f"{place} is the first whose feature map differs, by {relative:.1e} of its largest value, allowed are"
                f" {RELATIVE:.0e}"
                for place, relative in maps
                if relative > RELATIVE
            ][:1]
            if faults:
                raise ParityError("; ".join(faults))
        except ParityError as error:
            where = f"{file}: input {'x'.join(map(str, shape))}"
            raise ParityError(f"{where}: {error}. Do not ship this file") from error
        comparisons.append(comparison)
    return tuple(comparisons)


def compare(network: BaseModel, run: Run, images: torch.Tensor, tolerance: Tolerance) -> tuple[Difference, ...]:
    """Compare the raw outputs of a model, in eval mode, float32 on the CPU, with those of its file on images (B, C, H, W).

    Raises:
        ParityError: The file does not run on these images, or its outputs have other shapes or are no numbers.
    """
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in tensors(network(images))]
    try:
        given = run(images)
    except RUN_ERRORS as error:
        raise ParityError(f"does not run: {first_line(error)}") from error
    found: list[Difference] = []
    for number, output in enumerate(given):
        candidates = expected[1:] if number else expected[:1]  # of torch's further outputs not all are exported
        truth = next((values for values in candidates if values.shape == output.shape), None)
        if truth is None:
            shapes = ", ".join(str(values.shape) for values in candidates) or "no further one"
            raise ParityError(f"gives an output of shape {output.shape}, where torch gives {shapes}")
        for values, whose in ((truth, "torch"), (output, "the file")):
            if missing := int((~np.isfinite(values)).sum()):
                raise ParityError(f"cannot be compared: {missing} of {values.size} outputs of {whose} are not finite")
        height, width = images.shape[2:]
        in_float64 = truth.astype(np.float64), output.astype(np.float64)
        found += differences(network.model[-1], (height, width), *in_float64, tolerance)
    return tuple(found)


def strength(network: BaseModel, shape: Shape) -> float:
    """Find the smallest power of ten by which random images must be multiplied for the scores to depend on them."""
    images, factor = random_images(shape), 1.0
    with torch.no_grad():
        black = logits(network, torch.zeros(shape))
        while factor < STRONGEST and np.abs(logits(network, images * factor) - black).max(initial=0) < RESPONSE:
            factor *= 10
    return factor


def random_images(shape: Shape) -> torch.Tensor:
    """Draw (B, C, H, W) in 0..1: patches of colour with noise on them, as noise alone would average out in the first layers."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand((*shape[:2], shape[2] // 16 + 1, shape[3] // 16 + 1), generator=generator)
    return 0.8 * F.interpolate(patches, shape[2:], mode="bilinear") + 0.2 * torch.rand(shape, generator=generator)


def metadata(file: Path) -> dict:
    """Read what Ultralytics wrote into, or beside, an exported file."""
    backend = AutoBackend(str(file), device=torch.device("cpu"), verbose=False)
    keys = ("names", "imgsz", "stride", "batch", "channels", "task", "end2end", "args")
    about = {key: getattr(backend, key) for key in keys if hasattr(backend, key)}
    return {**about, "imgsz": tuple(int(side) for side in about["imgsz"])}


def shapes_for(about: dict, dynamic: bool) -> list[Shape]:
    """Choose input shapes to compare on: the one in `metadata`, and for a file of any size and number of images three more."""
    height, width = about["imgsz"]
    channels, batch, stride = int(about.get("channels", 3)), int(about.get("batch", 1)), int(about.get("stride", 32))
    shapes = [(batch, channels, height, width)]
    if dynamic:
        tall, wide = max(stride, height // 2), width + 3 * stride
        tall += stride * (tall == wide)
        tall, wide = (-(-side // stride) * stride for side in (tall, wide))  # up to a multiple of the stride
        shapes += [(1, channels, tall, wide), (3, channels, tall, wide), (3, channels, wide, tall)]
    return shapes
