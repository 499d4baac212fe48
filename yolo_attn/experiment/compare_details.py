"""Where models differ: by class, by object size, by kind of error, by picture. All at the leading checkpoint."""

from collections.abc import Sequence

import numpy as np

from yolo_attn.experiment.comparison import ChangedPicture, ModelErrors, Part
from yolo_attn.experiment.measured_runs import Errors, MeasuredRun
from yolo_attn.experiment.paired_tables import paired_tables
from yolo_attn.experiment.validation_set import ValidationSet
from yolo_attn.statistics.corrections import false_discovery
from yolo_attn.statistics.error_kinds import ErrorKind
from yolo_attn.statistics.intervals import over_seeds_and_pictures

MOST_PICTURES = 20  # of a model, whose errors changed most


def parts_of(model: str, baseline: str, runs: Sequence[MeasuredRun], checkpoint: str) -> list[Part]:
    """The classes and the sizes that the validation set has."""
    tables = paired_tables(runs, model, baseline, checkpoint)
    if tables is None:
        return []
    parts = []
    for kind in ("class", "size"):
        names = [name for name in tables.names if name[0] == kind and np.isfinite(tables.of(name)[0]).all()]
        intervals = [over_seeds_and_pictures(*tables.of(name), tables.pictures) for name in names]
        adjusted = false_discovery([interval.p if interval else None for interval in intervals])
        for name, interval, q in zip(names, intervals, adjusted, strict=True):
            low, high, p = (interval.low, interval.high, interval.p) if interval else (None, None, None)
            mean = float(tables.of(name)[0].mean())
            parts.append(Part(model, checkpoint, kind, name[1], mean, low, high, p, q))
    return parts


def errors_of(model: str, runs: Sequence[MeasuredRun], checkpoint: str) -> list[ModelErrors]:
    """Means over the seeds of one model; nothing without measured detections."""
    measured = _errors(runs, model)
    found = [errors.kinds for errors in measured.values()]
    if not found:
        return []
    kinds = tuple(
        ErrorKind(of_run[0].kind, float(np.mean([k.count for k in of_run])), float(np.mean([k.dAP for k in of_run])))
        for of_run in zip(*(run.kinds for run in found), strict=True)
    )
    return [
        ModelErrors(
            model=model,
            checkpoint=checkpoint,
            seeds=tuple(measured),
            AP50=float(np.mean([run.AP50 for run in found])),
            kinds=kinds,
            false_positives_dAP=float(np.mean([run.false_positives_dAP for run in found])),
            false_negatives_dAP=float(np.mean([run.false_negatives_dAP for run in found])),
        )
    ]


def changed_pictures(
    model: str, baseline: str, runs: Sequence[MeasuredRun], checkpoint: str, validation: ValidationSet
) -> list[ChangedPicture]:
    """The pictures whose number of errors changed most."""
    own, base = _errors(runs, model), _errors(runs, baseline)
    seeds = sorted(own.keys() & base.keys())
    if not seeds:
        return []
    before, after = (np.mean([of[seed].by_picture for seed in seeds], 0) for of in (base, own))
    stems = [*validation.truth]
    largest = sorted(np.flatnonzero(after != before), key=lambda index: -abs(after[index] - before[index]))
    return [
        ChangedPicture(
            model=model,
            checkpoint=checkpoint,
            picture=stems[index],
            image=str(validation.images[stems[index]]),
            baseline_errors=float(before[index]),
            errors=float(after[index]),
            change=float(after[index] - before[index]),
        )
        for index in largest[:MOST_PICTURES]
    ]


def _errors(runs: Sequence[MeasuredRun], model: str) -> dict[int, Errors]:
    return {run.record.seed: run.errors for run in runs if run.record.model == model and run.errors}
