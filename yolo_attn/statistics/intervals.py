"""Intervals and p values of the difference between two models trained with the same seeds and scored on the same pictures.

Two things vary: the seed of a training, and the pictures of the validation set. Which interval covers how often is simulated in
docs/guides/did-it-help.md.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
SEEDS, PICTURES, HIERARCHICAL, BOTH = "seeds", "pictures", "hierarchical bootstrap", "seeds and pictures"  # methods


@dataclass(frozen=True)
class Interval:
    """The interval of a mean difference at LEVEL, and the p value of no difference; None where a method gives none."""

    method: str
    low: float
    high: float
    p: float | None


def over_seeds(differences: np.ndarray) -> Interval | None:
    """Differences (S,) of S seeds -> Student's t for pairs; None for one seed, or where all differences are equal.

    It holds for these pictures, however many the seeds: two or more differences that are independent and about normal.
    """
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    test = stats.ttest_1samp(differences, 0)
    low, high = test.confidence_interval(LEVEL)
    return Interval(SEEDS, float(low), float(high), float(test.pvalue))


def over_pictures(resampled: np.ndarray) -> Interval | None:
    """Differences (W, S) on W resamples of the pictures -> percentiles of their mean: for these networks on other pictures."""
    means = resampled[np.isfinite(resampled).all(1)].mean(1)
    if not len(means):
        return None
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(PICTURES, float(low), float(high), None)


def hierarchical_bootstrap(resampled: np.ndarray, seed: int = 0) -> Interval | None:
    """Differences (W, S) of S seeds on W resamples of the pictures -> percentiles of their means over resampled seeds.

    None for one seed. S seeds drawn with replacement spread less than S new ones, by a factor of (S - 1) / S in the variance, so
    it is too narrow for few seeds.
    """
    resampled = resampled[np.isfinite(resampled).all(1)]
    runs = resampled.shape[1]
    if runs < 2 or not len(resampled):
        return None
    counts = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), size=len(resampled))
    low, high = np.quantile((resampled * counts).sum(1) / runs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(HIERARCHICAL, float(low), float(high), None)


def over_seeds_and_pictures(differences: np.ndarray, resampled: np.ndarray, pictures: int) -> Interval | None:
    """Differences (S,) of S seeds, and (W, S) on resamples of P pictures -> an interval for other seeds and other pictures.

    The variance of the mean is that over seeds, S² / n, plus that over pictures, from the bootstrap, less what both contain: the
    noise of each seed on each picture, which is what averaging over seeds takes from the variance over pictures (two-way random
    effects without replication). The quantile is Student's t with Satterthwaite's degrees of freedom.
    None for one seed, or where nothing varies.
    """
    resampled = resampled[np.isfinite(resampled).all(1)]
    runs = len(differences)
    if runs < 2 or len(resampled) < 2:
        return None
    over_seeds = differences.var(ddof=1) / runs
    over_pictures = resampled.mean(1).var(ddof=1)
    of_one_seed = resampled.var(0, ddof=1).mean()
    shared = max(0.0, (of_one_seed - over_pictures) / (runs - 1))
    variance = max(over_seeds + over_pictures - shared, over_seeds, over_pictures)
    if not variance > 0:
        return None
    freedom = variance**2 / (over_seeds**2 / (runs - 1) + (variance - over_seeds) ** 2 / max(1, pictures - 1))
    mean, error = differences.mean(), np.sqrt(variance)
    low, high = stats.t.interval(LEVEL, freedom, mean, error)
    return Interval(BOTH, float(low), float(high), float(2 * stats.t.sf(abs(mean) / error, freedom)))


def all_intervals(differences: np.ndarray, resampled: np.ndarray | None, pictures: int) -> list[Interval]:
    """Every interval that is defined for differences (S,), and (W, S) on resamples of the pictures if there are any."""
    found = [over_seeds(differences)]
    if resampled is not None:
        found.append(over_pictures(resampled))
        found.append(hierarchical_bootstrap(resampled))
        found.append(over_seeds_and_pictures(differences, resampled, pictures))
    return [interval for interval in found if interval]


def leading(intervals: list[Interval]) -> Interval | None:
    """The interval to report first: for other seeds and pictures, else for other seeds. None if neither is defined."""
    by_method = {interval.method: interval for interval in intervals}
    return by_method.get(BOTH) or by_method.get(SEEDS)
