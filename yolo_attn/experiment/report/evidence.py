"""The statistics of the runs of a report: those that `bench` wrote, or made anew where they are of other runs."""

from pathlib import Path

from yolo_attn.experiment import comparison
from yolo_attn.experiment.compare import compare
from yolo_attn.experiment.comparison import Statistics
from yolo_attn.experiment.effects import Effect
from yolo_attn.experiment.report.folders import Study
from yolo_attn.experiment.summary import SCORES, Difference


def statistics_of(study: Study) -> Statistics:
    """Read statistics.json where it is of the runs of the study, and compare them anew otherwise, which takes longer.

    Raises:
        ValueError: statistics.json is damaged.
    """
    models = list(study.models)
    if len(study.folders) == 1:
        try:
            written = comparison.read(study.folders[0])
        except FileNotFoundError:  # an older folder, or one whose runs have not ended
            pass
        else:
            if written.baseline == models[0] and _pairs(written) == _pairs_of(study):
                return written
    data = Path(str(study.settings.get("data", "")))
    return compare(models, [(entry.run, entry.folder) for entry in study.recorded], data)


def _pairs(statistics: Statistics) -> dict[str, set[int]]:
    return {entry.model: set(entry.seeds) for entry in statistics.comparisons if entry.metric == "mAP50"}


def _pairs_of(study: Study) -> dict[str, set[int]]:
    """The seeds that each model has in common with the baseline, as far as there are any."""
    baseline, *others = study.models
    seeds = {model: {run.seed for run in study.runs if run.model == model} for model in study.models}
    return {model: seeds[model] & seeds[baseline] for model in others if seeds[model] & seeds[baseline]}


def overall(statistics: Statistics, checkpoint: str) -> list[Effect]:
    """The effects on every score at a checkpoint, p values adjusted for the number of models."""
    return [
        Effect(
            model=entry.model,
            part=SCORES.get(entry.metric, entry.metric),
            difference=Difference(entry.difference, entry.low, entry.high, len(entry.seeds)),
            p=entry.p_holm,
            by_seed=entry.by_seed,
        )
        for entry in statistics.comparisons
        if entry.checkpoint == checkpoint
    ]


def parts(statistics: Statistics, kind: str) -> list[Effect]:
    """The effects on each class ("class") or range of object sizes ("size"), p values adjusted for the number of parts."""
    seeds = {
        entry.model: len(entry.seeds) for entry in statistics.comparisons if entry.checkpoint == statistics.checkpoint
    }
    found = [
        Effect(
            part.model, part.name, Difference(part.difference, part.low, part.high, seeds.get(part.model, 0)), part.q
        )
        for part in statistics.parts
        if part.kind == kind
    ]
    order = list(dict.fromkeys(effect.part for effect in found))
    return sorted(found, key=lambda effect: order.index(effect.part))
