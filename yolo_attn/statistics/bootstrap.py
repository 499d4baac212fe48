"""Scores of resampled sets of pictures. Every run is scored on the same resamples, so differences between runs stay paired."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_attn.statistics.outcomes import Outcomes
from yolo_attn.statistics.weighted_ap import WeightedAP

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores in percent of one run; NaN where a set has no box of a class or size.

    Attributes:
        pictures: P.
        names: Of the M columns: ("metric", "AP"), ("metric", "AP50"), then ("class", name) and ("size", range), AP each.
        whole: (M,) on the set itself.
        resampled: (W, M) on each resample.
    """

    pictures: int
    names: tuple[tuple[str, str], ...]
    whole: np.ndarray
    resampled: np.ndarray


def picture_weights(pictures: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Draw `pictures` pictures with replacement, (resamples, pictures) times that each is drawn."""
    return np.random.default_rng(seed).multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples)


def score_resamples(
    outcomes: Outcomes, by_size: dict[str, Outcomes], classes: Sequence[str], weights: np.ndarray
) -> ScoreTable:
    """The outcomes of a run, over all sizes and by size, and weights of pictures (W, P) -> its scores."""
    weights = np.concatenate([np.ones((1, weights.shape[1]), np.int64), weights])
    over_all = WeightedAP(outcomes)
    ap = over_all(weights)  # (1 + W, C, T)
    mean = over_all.mean(weights, ap)  # (1 + W, T)
    names = [("metric", "AP"), ("metric", "AP50"), *(("class", name) for name in classes)]
    columns = [mean.mean(1), mean[:, 0], *ap.mean(2).T]
    for name, of_size in by_size.items():
        weighted = WeightedAP(of_size)
        names.append(("size", name))
        columns.append(weighted.mean(weights, weighted(weights)).mean(1))
    scores = np.stack(columns, 1)
    return ScoreTable(weights.shape[1], tuple(names), scores[0], scores[1:])
