"""The runs of an experiment, model by model: means over seeds, and differences between models trained with the same seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as students_t

from yolo_attn.experiment.records import FinishedRun

SCORES = {"mAP50": "mAP50", "mAP50-95": "mAP50-95", "AP": "official AP", "AP50": "official AP50"}  # key: heading


@dataclass(frozen=True)
class Mean:
    """Mean of n values, and their standard deviation with n - 1 in the denominator; None for a single value."""

    value: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """Mean of n differences, and the ends of its 95 % interval by Student's t; None for a single pair."""

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
    pairs = mean([values[seed] - baseline[seed] for seed in values if seed in baseline])
    if pairs is None:
        return None
    if pairs.deviation is None:
        return Difference(value=pairs.value, low=None, high=None, n=pairs.n)
    half = float(students_t.ppf(0.975, pairs.n - 1)) * pairs.deviation / math.sqrt(pairs.n)
    return Difference(value=pairs.value, low=pairs.value - half, high=pairs.value + half, n=pairs.n)


@dataclass(frozen=True)
class Summary:
    """One model over its seeds."""

    model: str
    parameters: int | None  # None, as the next two, if no run is finished
    gflops: float | None
    latency: Mean | None  # milliseconds; the deviation is over the runs
    scores: dict[str, Mean | None]  # {key of SCORES: percent}, as far as the data set has them
    differences: dict[str, Difference | None]  # percentage points to the baseline; empty for the baseline itself
    seeds: tuple[int, ...]  # of the finished runs


def summarise(models: Sequence[str], runs: Sequence[FinishedRun]) -> list[Summary]:
    """Finished runs -> a summary for each model, the first being the baseline."""
    keys = [key for key in SCORES if any(run.scores.get(key) is not None for run in runs)]
    values = {name: {key: _by_seed(runs, name, key) for key in keys} for name in models}
    summaries = []
    for name in models:
        own = [run for run in runs if run.model == name]
        others = () if name == models[0] else keys
        summaries.append(
            Summary(
                model=name,
                parameters=own[0].parameters if own else None,
                gflops=own[0].gflops if own else None,
                latency=mean([run.latency_ms for run in own]),
                scores={key: mean([*values[name][key].values()]) for key in keys},
                differences={key: difference(values[name][key], values[models[0]][key]) for key in others},
                seeds=tuple(run.seed for run in own),
            )
        )
    return summaries


def _by_seed(runs: Sequence[FinishedRun], model: str, key: str) -> dict[int, float]:
    scores = {run.seed: run.scores.get(key) for run in runs if run.model == model}
    return {seed: score for seed, score in scores.items() if score is not None}
