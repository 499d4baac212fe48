"""P values of several comparisons at once. None stands for a p value that is not defined, and is no comparison."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Values = Sequence[float | None]


def holm(p_values: Values) -> list[float | None]:
    """Adjust p values so that the chance of any false discovery is held (Holm, 1979): for the few models of an experiment."""
    return _of_defined(_holm, p_values)


def false_discovery(p_values: Values) -> list[float | None]:
    """Adjust p values so that the share of false discoveries is held (Benjamini and Hochberg, 1995): for classes and sizes."""
    return _of_defined(stats.false_discovery_control, p_values)


def _holm(p_values: np.ndarray) -> np.ndarray:
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def _of_defined(adjust: Callable[[np.ndarray], np.ndarray], p_values: Values) -> list[float | None]:
    defined = [value for value in p_values if value is not None]
    adjusted = iter(adjust(np.array(defined)).tolist() if defined else ())
    return [None if value is None else next(adjusted) for value in p_values]
