"""The deletion test: how fast a score falls as the cells that a map points at are removed first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from yolo_attn.analysis.cam.input_picture import InputPicture
from yolo_attn.analysis.cam.scoring import ScoringNetwork
from yolo_attn.analysis.cam.target import Target
from yolo_attn.detection.letterbox import GREY

STEPS = 16  # shares of the picture that are removed, beside none
ORDERS = 4  # random ones
BATCH = 4


@dataclass(frozen=True)
class Deletion:
    """A score as more and more of a picture becomes grey.

    Attributes:
        shares: Of the picture's cells that are removed, 0 to 1.
        by_map: Score at each share, the cells with the highest values first.
        random: The same in random order, the mean over ORDERS of them.
    """

    shares: tuple[float, ...]
    by_map: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def area(self) -> float:
        """Area under `by_map`, 0 to 1: the lower, the better the map finds what the score rests on."""
        return _area(self.shares, self.by_map)

    @property
    def random_area(self) -> float:
        """Area under `random`, which a map must undercut to say anything."""
        return _area(self.shares, self.random)


def deletion(
    network: ScoringNetwork, picture: InputPicture, target: Target, values: np.ndarray, seed: int = 0
) -> Deletion:
    """Remove the cells of a map (h, w) from a picture, the highest first -> the scores.

    The test of RISE (Petsiuk et al., BMVC 2018, https://arxiv.org/abs/1806.07421, section 4.3). What is removed gets the grey of
    Ultralytics' padding. The random orders remove the same cells, as single pixels would destroy a picture faster.
    """
    inside = picture.inside(*values.shape)
    cells = np.flatnonzero(inside)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(cells)  # decides between equal values
    by_map = shuffled[np.argsort(-values.flat[shuffled], kind="stable")]
    orders = [by_map, *(generator.permutation(cells) for _ in range(ORDERS))]
    counts = np.linspace(0, len(cells), STEPS + 1).round().astype(int)
    scores = np.array([[*_scores(network, picture, target, order, counts, inside.shape)] for order in orders])
    shares = tuple((counts / len(cells)).tolist())
    return Deletion(shares, tuple(scores[0].tolist()), tuple(scores[1:].mean(0).tolist()))


@torch.no_grad()  # inference_mode would leave anchors in the head that can have no gradient
def _scores(
    network: ScoringNetwork,
    picture: InputPicture,
    target: Target,
    order: np.ndarray,
    counts: np.ndarray,
    shape: tuple[int, ...],
) -> Iterator[float]:
    removed = np.zeros((len(counts), 1, *shape), np.float32)
    for mask, count in zip(removed, counts, strict=True):
        mask.flat[order[:count]] = 1
    image = picture.tensor.to(target.places.device)
    for masks in torch.from_numpy(removed).to(image.device).split(BATCH):
        pixels = interpolate(masks, image.shape[2:], mode="nearest-exact")
        yield from target(network.predict(torch.where(pixels > 0, GREY[0] / 255, image)).scores).tolist()


def _area(shares: tuple[float, ...], scores: tuple[float, ...]) -> float:
    heights = np.array(scores)
    return float((np.diff(shares) * (heights[1:] + heights[:-1]) / 2).sum())
