"""Means over seeds, and differences between models trained with the same seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mean:
    """Values of one model.

    Attributes:
        value: Their mean.
        deviation: Their standard deviation, n - 1 in the denominator; None for a single one.
        n: How many.
    """

    value: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """One model less another, paired by seed.

    Attributes:
        value: Mean of the differences.
        low, high: Ends of the 95 % interval of that mean, Student's t; None for a single pair.
        n: Pairs.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def mean(values: Sequence[float]) -> Mean | None:
    """None if there are no values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Mean(statistics.fmean(values), deviation, len(values))


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """{seed: value} of a model and of the baseline -> their difference over the seeds that both have; None without any.

    The interval takes the differences of seeds for independent and normal. It is about seeds on this data set alone.
    """
    found = mean([values[seed] - baseline[seed] for seed in values if seed in baseline])
    if found is None or found.deviation is None:
        return found and Difference(found.value, None, None, found.n)
    half = student_t(found.n - 1) * found.deviation / math.sqrt(found.n)
    return Difference(found.value, found.value - half, found.value + half, found.n)


def student_t(freedom: int, share: float = 0.95) -> float:
    """The t between whose negative and itself Student's distribution has `share` of its mass.

    By bisection on the finite sums for whole degrees of freedom, Abramowitz and Stegun 26.7.3 and 26.7.4; to 1e-9.
    """
    low, high = 0.0, 1.0
    while _mass(high, freedom) < share:
        high *= 2
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _mass(middle, freedom) < share else (low, middle)
    return high


def _mass(t: float, freedom: int) -> float:
    """The mass of Student's distribution between -t and t."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for factor in range(2 + odd, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (factor - 1) / factor
        total += term
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total
