"""Differences between models and the baseline, paired by seed: overall, by class and by object size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.summary import SCORES, Difference, difference

LEADING = ("AP", "mAP50-95")  # the score that the report leads with: the first of them that the runs have


@dataclass(frozen=True)
class Effect:
    """A model's score less that of another, in percentage points."""

    model: str
    part: str  # a class, a range of object sizes, or a score
    difference: Difference
    p: float | None = None  # corrected for the number of comparisons; None where it is unknown
    by_seed: tuple[float, ...] = ()


def leading_score(runs: Sequence[FinishedRun]) -> str | None:
    """The key of the score that the report leads with; None if no run has one."""
    return next((key for key in LEADING if any(run.scores.get(key) is not None for run in runs)), None)


def overall(models: Sequence[str], runs: Sequence[FinishedRun]) -> list[Effect]:
    """Models and runs -> the effects on each score, by Student's t over the seeds; the first model is the baseline."""
    values: dict[str, dict[str, dict[int, float]]] = {}
    for key, heading in SCORES.items():
        values[heading] = {name: _by_seed([run for run in runs if run.model == name], key) for name in models}
    return effects(models, values)


def by_class(models: Sequence[str], runs: Sequence[FinishedRun], key: str) -> list[Effect]:
    """The effects on each class that has a score."""
    return effects(models, {name: _of_class(models, runs, key, name) for name in _classes(runs, key)})


def effects(models: Sequence[str], values: Mapping[str, Mapping[str, Mapping[int, float]]]) -> list[Effect]:
    """{part: {model: {seed: score}}} -> the effects that have at least one pair of runs, part by part."""
    found = []
    for part, by_model in values.items():
        baseline = by_model.get(models[0], {})
        for model in models[1:]:
            own = by_model.get(model, {})
            paired = difference(own, baseline)
            if paired:
                pairs = tuple(own[seed] - baseline[seed] for seed in sorted(own) if seed in baseline)
                found.append(Effect(model=model, part=part, difference=paired, by_seed=pairs))
    return found


def _by_seed(runs: Sequence[FinishedRun], key: str) -> dict[int, float]:
    scores = {run.seed: run.scores.get(key) for run in runs}
    return {seed: score for seed, score in scores.items() if score is not None}


def _classes(runs: Sequence[FinishedRun], key: str) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.per_class.get(key, {})))


def _of_class(models: Sequence[str], runs: Sequence[FinishedRun], key: str, name: str) -> dict[str, dict[int, float]]:
    by_model: dict[str, dict[int, float]] = {model: {} for model in models}
    for run in runs:
        score = run.per_class.get(key, {}).get(name)
        if score is not None:
            by_model[run.model][run.seed] = score
    return by_model
