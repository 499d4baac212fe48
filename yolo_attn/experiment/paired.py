"""Means over seeds, and differences between models trained with the same seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as students_t


@dataclass(frozen=True)
class Mean:
    """Values of one model.

    Attributes:
        value: Their mean.
        deviation: Their standard deviation, n - 1 in the denominator; None for a single value.
        n: Number of values.
    """

    value: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """One model less another, paired by seed.

    Attributes:
        value: Mean of the differences.
        low, high: Ends of the 95 % interval of that mean by Student's t; None for a single pair.
        n: Number of pairs.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def mean(values: Sequence[float]) -> Mean | None:
    """Mean and standard deviation; None without values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Mean(value=statistics.fmean(values), deviation=deviation, n=len(values))


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """{seed: value} of a model and of the baseline -> their difference over the seeds that both have; None without any.

    The interval takes the differences of seeds for independent and normal. It is about seeds on this data set only.
    """
    differences = mean([values[seed] - baseline[seed] for seed in values if seed in baseline])
    if differences is None:
        return None
    value, deviation, n = differences.value, differences.deviation, differences.n
    if deviation is None:
        return Difference(value=value, low=None, high=None, n=n)
    half = float(students_t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return Difference(value=value, low=value - half, high=value + half, n=n)
