"""The tables of the page: text for reading, and a number to sort by."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yolo_attn.experiment.comparison import ModelErrors, Statistics
from yolo_attn.experiment.effects import Effect
from yolo_attn.experiment.report.folders import Recorded
from yolo_attn.experiment.summary import SCORES, Mean, Summary
from yolo_attn.experiment.tables import mean_text

NOTHING = "-"


@dataclass(frozen=True)
class Cell:
    """What a table shows in one place."""

    text: str
    order: float | None = None  # to sort by; None sorts by the text


@dataclass(frozen=True)
class Table:
    """A table; `colours` has the number of a row's model for the mark in front of it, or is empty."""

    heading: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    colours: tuple[int, ...] = ()


def results(summaries: Sequence[Summary]) -> Table:
    """A row for each model: size, scores and latency."""
    keys = list(summaries[0].scores)
    heading = ["model", "parameters", "GFLOPs", *(f"{SCORES[key]}, %" for key in keys), "latency, ms", "seeds"]
    rows = []
    for summary in summaries:
        size = [number(summary.parameters, "{:,}"), number(summary.gflops, "{:.2f}")]
        scores = [_mean(summary.scores[key], 2) for key in keys]
        rows.append((Cell(summary.model), *size, *scores, _mean(summary.latency, 1), number(len(summary.seeds), "{}")))
    return Table(tuple(heading), tuple(rows), tuple(range(len(rows))))


def effects(models: Sequence[str], found: Sequence[Effect], part: str, correction: str = "") -> Table:
    """A row for each effect; `part` is what its parts are, and `correction` names the p values, if they are known."""
    heading = ["model", part, "difference", "from", "to", *([correction] if correction else []), "pairs"]
    rows = []
    for effect in found:
        value = effect.difference
        p = [_p_value(effect.p)] if correction else []
        ends = [number(end, "{:+.2f}") for end in (value.value, value.low, value.high)]
        rows.append((Cell(effect.model), Cell(effect.part), *ends, *p, number(value.n, "{}")))
    return Table(tuple(heading), tuple(rows), tuple(models.index(effect.model) for effect in found))


def methods(models: Sequence[str], statistics: Statistics) -> Table:
    """The leading difference of each model, by every method that gives an interval."""
    rows, colours = [], []
    for entry in statistics.comparisons:
        if (entry.metric, entry.checkpoint) == (statistics.metric, statistics.checkpoint):
            for interval in entry.intervals:
                ends = [number(end, "{:+.2f}") for end in (interval.low, interval.high)]
                rows.append((Cell(entry.model), Cell(interval.method), *ends, _p_value(interval.p)))
                colours.append(models.index(entry.model))
    return Table(("model", "interval over", "from", "to", "p"), tuple(rows), tuple(colours))


def error_kinds(models: Sequence[str], errors: Sequence[ModelErrors]) -> Table:
    """A row for each model and kind of error: its number, and the AP50 that it costs."""
    found = [(of_model, kind) for of_model in errors for kind in of_model.kinds]
    rows = [
        (Cell(of_model.model), Cell(kind.kind), number(kind.count, "{:,.1f}"), number(kind.dAP, "{:.2f}"))
        for of_model, kind in found
    ]
    heading = ("model", "kind", "number", "cost, AP50")
    return Table(heading, tuple(rows), tuple(models.index(of_model.model) for of_model, _ in found))


def environments(recorded: Iterable[Recorded]) -> Table:
    """A row for each combination of machine, versions and sizes."""
    names = ("device", "threads", "torch", "ultralytics", "python", "yolo_attn", "commit")
    counts: Counter[tuple[str, ...]] = Counter()
    for run in (entry.run for entry in recorded):
        values = [getattr(run.environment, name) for name in names] + [run.imgsz, run.batch]
        counts[tuple(str(value) or NOTHING for value in values)] += 1
    rows = [(*map(Cell, values), number(runs, "{}")) for values, runs in counts.items()]
    return Table((*names, "imgsz", "batch", "runs"), tuple(rows))


def number(value: float | None, form: str) -> Cell:
    """Write a number in a form of `str.format`; None is shown as NOTHING and sorts last."""
    return Cell(NOTHING, float("-inf")) if value is None else Cell(form.format(value), value)


def _p_value(p: float | None) -> Cell:
    return Cell("<0.001", p) if p is not None and p < 0.001 else number(p, "{:.3f}")


def _mean(value: Mean | None, digits: int) -> Cell:
    return Cell(mean_text(value, digits), float("-inf") if value is None else value.value)
