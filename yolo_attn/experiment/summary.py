"""The runs of an experiment, model by model."""

from collections.abc import Sequence
from dataclasses import dataclass

from yolo_attn.experiment import paired
from yolo_attn.experiment.records import FinishedRun

SCORES = {"mAP50": "mAP50", "mAP50-95": "mAP50-95", "AP": "official AP", "AP50": "official AP50"}  # key: heading


@dataclass(frozen=True)
class Summary:
    """One model over its seeds.

    Attributes:
        model: Its name.
        parameters, gflops: Its size; None if no run is finished.
        latency: Milliseconds; the deviation is over the runs.
        scores: {key of SCORES: percent}, what the data set has.
        differences: To the baseline, likewise; empty for the baseline itself.
        seeds: Seeds of the finished runs.
    """

    model: str
    parameters: int | None
    gflops: float | None
    latency: paired.Mean | None
    scores: dict[str, paired.Mean | None]
    differences: dict[str, paired.Difference | None]
    seeds: tuple[int, ...]


def summarise(models: Sequence[str], runs: Sequence[FinishedRun]) -> list[Summary]:
    """Finished runs -> a summary for each model, the first being the baseline."""
    keys = [key for key in SCORES if any(run.scores.get(key) is not None for run in runs)]
    values = {name: {key: _by_seed(runs, name, key) for key in keys} for name in models}
    baseline = values[models[0]]
    summaries = []
    for name in models:
        own = [run for run in runs if run.model == name]
        differences = {key: paired.difference(values[name][key], baseline[key]) for key in keys}
        summaries.append(
            Summary(
                model=name,
                parameters=own[0].parameters if own else None,
                gflops=own[0].gflops if own else None,
                latency=paired.mean([run.latency_ms for run in own]),
                scores={key: paired.mean([*values[name][key].values()]) for key in keys},
                differences={} if name == models[0] else differences,
                seeds=tuple(run.seed for run in own),
            )
        )
    return summaries


def _by_seed(runs: Sequence[FinishedRun], model: str, key: str) -> dict[int, float]:
    scores = {run.seed: run.scores.get(key) for run in runs if run.model == model}
    return {seed: score for seed, score in scores.items() if score is not None}
