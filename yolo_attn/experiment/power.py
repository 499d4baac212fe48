"""The power of a paired t-test: what difference a number of seeds can detect."""

import math
import statistics
from collections.abc import Mapping, Sequence

from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as students_t


def power(pairs: int, difference: float, alpha: float = 0.05) -> float:
    """The probability that a two-sided paired t-test at level `alpha` finds a difference.

    Args:
        pairs: Number of pairs, 2 or more.
        difference: True mean of the differences, in units of their standard deviation; 0 or above.
        alpha: Level of the test.
    """
    critical, freedom = students_t.ppf(1 - alpha / 2, pairs - 1), pairs - 1
    shift = difference * math.sqrt(pairs)
    below = nct.sf(critical, freedom, -shift)  # the other tail, mirrored: nct.cdf(-critical, freedom, shift) may be nan
    return float(nct.sf(critical, freedom, shift) + below)


def detectable_difference(
    pairs: int, deviation: float = 1.0, probability: float = 0.8, alpha: float = 0.05
) -> float | None:
    """The smallest true mean difference that `power` finds with a probability; None for fewer than two pairs.

    Args:
        pairs: Number of pairs.
        deviation: Standard deviation of the differences; the result has its unit.
        probability: Of finding the difference, above `alpha` and below 1.
        alpha: Level of the test.
    """
    if pairs < 2:
        return None
    above = 1.0
    while power(pairs, above, alpha) < probability:
        above *= 2
    return deviation * float(brentq(lambda difference: power(pairs, difference, alpha) - probability, 0, above))


def paired_deviation(models: Sequence[Mapping[int, float]], baseline: Mapping[int, float]) -> float | None:
    """{seed: score} of models and of their baseline -> the standard deviation of paired differences, pooled over the models.

    None without two pairs of one model.
    """
    differences = [[scores[seed] - baseline[seed] for seed in scores if seed in baseline] for scores in models]
    repeated = [values for values in differences if len(values) > 1]
    if not repeated:
        return None
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in repeated)
    return math.sqrt(squares / sum(len(values) - 1 for values in repeated))
