"""The statistics of an experiment as a short section below its tables. statistics.json has the rest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from yolo_attn.experiment import comparison
from yolo_attn.experiment.compare import compare
from yolo_attn.experiment.comparison import BEST, LAST, Comparison, Statistics
from yolo_attn.experiment.records import Outcome
from yolo_attn.experiment.summary import SCORES
from yolo_attn.statistics.intervals import BOTH, SEEDS
from yolo_attn.storage import atomic_write

FALSE_DISCOVERIES = 0.05  # share of them among the classes and sizes that are named
ABOUT = {
    BOTH: "other seeds and other pictures like these; the variance over pictures is that of {resamples:,} resamples",
    SEEDS: "other seeds on these pictures, by Student's t",
}


def extend(out: Path, data: Path, outcome: Outcome) -> Outcome:
    """Compare the runs of an experiment's folder, write statistics.json, and add the section to table.md and to the outcome."""
    if not outcome.runs:
        return outcome
    folders = [out / "runs" / f"{run.model}-seed{run.seed}" for run in outcome.runs]
    statistics = compare(outcome.models, list(zip(outcome.runs, folders, strict=True)), data)
    comparison.write(out, statistics)
    text = "\n".join([outcome.table, *section(statistics), ""])
    atomic_write(out / "table.md", text)
    return replace(outcome, table=text)


def section(statistics: Statistics) -> Iterator[str]:
    """Lines of Markdown."""
    led = [entry for entry in statistics.comparisons if entry.metric == statistics.metric]
    if led:
        metric = SCORES.get(statistics.metric, statistics.metric)
        yield f"Difference to {statistics.baseline} in {metric}: mean [95 % interval], p, p adjusted for all models (Holm)"
        yield ""
        models = dict.fromkeys(entry.model for entry in led)
        by_key = {(entry.model, entry.checkpoint): entry for entry in led}
        rows = [[model, *(_difference(by_key.get((model, name))) for name in (LAST, BEST))] for model in models]
        yield from _table(["model", "last epoch", "best epoch"], rows)
        yield ""
    if statistics.errors:
        yield (
            f"Errors by kind, {statistics.checkpoint} epoch: AP at IoU 0.5 that a run would gain without them, and their number,"
            " means over seeds"
        )
        yield ""
        kinds = [kind.kind for kind in statistics.errors[0].kinds]
        rows = [
            [errors.model, *(f"{kind.dAP:.2f} ({kind.count:,.0f})" for kind in errors.kinds)]
            for errors in statistics.errors
        ]
        yield from _table(["model", *kinds], rows)
        yield ""
    yield from _notes(statistics, bool(led))


def _difference(entry: Comparison | None) -> str:
    if entry is None:
        return "-"
    if entry.low is None or entry.p is None or entry.p_holm is None:
        return f"{entry.difference:+.2f}"
    return f"{entry.difference:+.2f} [{entry.low:+.2f}, {entry.high:+.2f}], {_p(entry.p)}, {_p(entry.p_holm)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _notes(statistics: Statistics, compared: bool) -> Iterator[str]:
    if compared:
        yield "- The best epoch was chosen by its score on these pictures, the last was not; scores of the best are optimistic."
    if statistics.method:
        about = ABOUT[statistics.method].format(resamples=statistics.resamples)
        yield f"- The intervals and p values are about {about}."
    if statistics.parts:
        sure = [part for part in statistics.parts if part.q is not None and part.q <= FALSE_DISCOVERIES]
        named = "; ".join(f"{part.model}, {part.name} {part.difference:+.2f}" for part in sure) or "none"
        yield f"- Classes and sizes that differ at a false-discovery rate of {FALSE_DISCOVERIES:.0%}: {named}."
    for sentence in statistics.not_defined:
        yield f"- Not defined: {sentence}."


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] + ["---:"] * (len(heading) - 1), *rows)]
