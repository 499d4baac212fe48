"""Compare the models of finished runs: from their records, and from the detections that they stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from yolo_attn.experiment.compare_details import changed_pictures, errors_of, parts_of
from yolo_attn.experiment.comparison import BEST, LAST, Comparison, Statistics
from yolo_attn.experiment.measured_runs import MeasuredRun, measure
from yolo_attn.experiment.paired_tables import paired_tables
from yolo_attn.experiment.records import FinishedRun, Score
from yolo_attn.experiment.summary import SCORES
from yolo_attn.experiment.validation_set import ValidationSet, read_validation_set
from yolo_attn.statistics.bootstrap import RESAMPLES
from yolo_attn.statistics.corrections import holm
from yolo_attn.statistics.intervals import LEVEL, all_intervals, leading

COCO = {"AP": "COCO AP", "AP50": "COCO AP50"}  # names of the metrics of the detections where the set is not VisDrone's


def compare(models: Sequence[str], runs: Sequence[tuple[FinishedRun, Path]], data: Path) -> Statistics:
    """Compare models with the first one, seed by seed.

    Args:
        models: Names, the baseline first.
        runs: Records, and the folders that hold the detections.
        data: The data YAML.

    What is absent, such as pictures or the detections of older runs, is named in `not_defined`.
    """
    checkpoint = LAST if runs and all(record.last for record, _ in runs) else BEST
    validation, missing = _validation_set(data)
    if checkpoint == BEST:
        missing.append(
            "last epoch: not every run has scores of it, so the best epoch leads, chosen on the same pictures"
        )
    measured = [MeasuredRun(record, {}, None) for record, _ in runs]
    if validation:
        measured, sentences = measure(runs, validation, checkpoint)
        missing += sentences
    protocol = None
    if validation and any(run.tables for run in measured):
        protocol = "VisDrone" if validation.official else "COCO"
    comparisons, more = _comparisons(models, measured, protocol)
    metric = COCO["AP"] if protocol == "COCO" else "AP" if any("AP" in run.scores for run, _ in runs) else "mAP50-95"
    led = [entry.method for entry in comparisons if (entry.metric, entry.checkpoint) == (metric, checkpoint)]
    return Statistics(
        baseline=models[0],
        protocol=protocol,
        metric=metric,
        checkpoint=checkpoint,
        method=next((method for method in led if method), None),
        pictures=len(validation.truth) if validation else None,
        resamples=RESAMPLES,
        level=LEVEL,
        comparisons=tuple(comparisons),
        parts=tuple(part for model in models[1:] for part in parts_of(model, models[0], measured, checkpoint)),
        errors=tuple(errors for model in models for errors in errors_of(model, measured, checkpoint)),
        changed_pictures=tuple(
            picture
            for model in models[1:]
            if validation
            for picture in changed_pictures(model, models[0], measured, checkpoint, validation)
        ),
        not_defined=tuple([*missing, *more]),
    )


def _validation_set(data: Path) -> tuple[ValidationSet | None, list[str]]:
    try:
        return read_validation_set(data), []
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:  # the last two are Ultralytics', of a data YAML
        return None, [f"resamples and kinds of errors: {' '.join(str(error).split())}"]


def _comparisons(
    models: Sequence[str], runs: Sequence[MeasuredRun], protocol: str | None
) -> tuple[list[Comparison], list[str]]:
    """Every other model, by every metric that the runs have, at both checkpoints."""
    metrics = [name for name in SCORES if any(run.record.scores.get(name) is not None for run in runs)]
    metrics += [*COCO.values()] if protocol == "COCO" else []
    comparisons: list[Comparison] = []
    for checkpoint in (LAST, BEST):
        for metric in metrics:
            family = [_comparison(model, models[0], runs, checkpoint, metric) for model in models[1:]]
            defined = [entry for entry in family if entry]
            adjusted = holm([entry.p for entry in defined])
            comparisons += [replace(entry, p_holm=p) for entry, p in zip(defined, adjusted, strict=True)]
    return comparisons, [*_without_interval(comparisons), *_alone(models, comparisons)]


def _without_interval(comparisons: Sequence[Comparison]) -> list[str]:
    metrics: dict[tuple[str, str], dict[str, None]] = {}
    for entry in comparisons:
        if entry.low is None:
            reason = "one seed has no spread" if len(entry.seeds) == 1 else "all differences are the same"
            metrics.setdefault((entry.model, reason), {})[entry.metric] = None
    return [f"{model}: no interval of {', '.join(names)}, as {reason}" for (model, reason), names in metrics.items()]


def _alone(models: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    compared = {entry.model for entry in comparisons}
    return [f"{model}: has no seed in common with {models[0]}" for model in models[1:] if model not in compared]


def _comparison(
    model: str, baseline: str, runs: Sequence[MeasuredRun], checkpoint: str, metric: str
) -> Comparison | None:
    """None if the models have no seed in common."""
    column = next((name for name, called in COCO.items() if called == metric), metric)
    tables = paired_tables(runs, model, baseline, checkpoint)
    if tables and column in ("AP", "AP50"):
        seeds, whole, resampled = tables.seeds, *tables.of(("metric", column))
    else:
        values, base = _values(runs, model, checkpoint, metric), _values(runs, baseline, checkpoint, metric)
        seeds = tuple(sorted(values.keys() & base.keys()))
        whole, resampled = np.array([values[seed] - base[seed] for seed in seeds]), None
    if not len(seeds) or not np.isfinite(whole).all():
        return None
    intervals = all_intervals(whole, resampled, tables.pictures if tables else 0)
    lead = leading(intervals)
    return Comparison(
        model=model,
        checkpoint=checkpoint,
        metric=metric,
        seeds=seeds,
        difference=float(whole.mean()),
        by_seed=tuple(whole.tolist()),
        method=lead.method if lead else None,
        low=lead.low if lead else None,
        high=lead.high if lead else None,
        p=lead.p if lead else None,
        p_holm=None,
        intervals=tuple(intervals),
    )


def _values(runs: Sequence[MeasuredRun], model: str, checkpoint: str, metric: str) -> dict[int, float]:
    """{seed: percent} from the records."""
    scores: dict[int, Score] = {}
    for run in (run.record for run in runs if run.record.model == model):
        of_checkpoint = run.scores if checkpoint == BEST else run.last.scores if run.last else {}
        scores[run.seed] = of_checkpoint.get(metric)
    return {seed: score for seed, score in scores.items() if score is not None}
