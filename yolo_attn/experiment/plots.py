"""The plots of an experiment, from its records only: learning curves, AP against latency, differences by class."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.summary import SCORES, Summary, difference, summarise
from yolo_attn.storage import atomic_write

# Colours that people with a colour vision deficiency can tell apart (Okabe and Ito).
COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
MARKERS = "osD^vPX*"
BY_CLASS = ("AP", "mAP50-95")  # scores that are known by class, the preferred one first


def write(folder: Path, models: Sequence[str], runs: Sequence[FinishedRun]) -> None:
    """Draw what the runs allow into `folder`; nothing without a run."""
    if not runs:
        return
    figures = {
        "curves.png": curves(models, runs),
        "ap-latency.png": accuracy_against_latency(summarise(models, runs)),
        "per-class.png": per_class(models, runs),
    }
    for name, figure in figures.items():
        if figure:
            png = io.BytesIO()
            figure.savefig(png, dpi=150)
            atomic_write(folder / name, png.getvalue())


def curves(models: Sequence[str], runs: Sequence[FinishedRun]) -> Figure:
    """mAP over epochs: the mean of the seeds and a band from the lowest to the highest."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("mAP50", "mAP50-95"), strict=True):
        for index, model in enumerate(models):
            by_seed = [dict(zip(run.curve["epoch"], run.curve[key], strict=True)) for run in runs if run.model == model]
            if not by_seed:
                continue
            epochs = sorted(set.intersection(*map(set, by_seed)))
            values = np.array([[scores[epoch] for epoch in epochs] for scores in by_seed])
            axes.fill_between(epochs, values.min(0), values.max(0), alpha=0.15, linewidth=0, color=_colour(index))
            (line,) = axes.plot(epochs, values.mean(0), label=f"{model} (n = {len(by_seed)})", color=_colour(index))
            line.set_linewidth(2 if index == 0 else 1.5)
            line.set_marker("o" if len(epochs) == 1 else "")  # a line through one point cannot be seen
        axes.set(xlabel="epoch", ylabel=f"{key}, %", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        _style(axes)
    handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=min(4, len(models)), frameon=False)
    figure.suptitle("Validation during training: mean over seeds, band from lowest to highest")
    return figure


def accuracy_against_latency(summaries: Sequence[Summary]) -> Figure | None:
    """The score against the milliseconds of a forward pass, with a standard deviation each way; None without a score."""
    key = next((key for key in BY_CLASS if key in summaries[0].scores), None)
    if key is None:
        return None
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for index, summary in enumerate(summaries):
        score, latency = summary.scores[key], summary.latency
        if score and latency:
            style = {"label": f"{summary.model} (n = {score.n})", "capsize": 3, **_marker(index)}
            axes.errorbar(latency.value, score.value, xerr=latency.deviation, yerr=score.deviation, **style)
    axes.set(xlabel="forward pass, one image, ms (median; runs measured one after another)", ylabel=f"{SCORES[key]}, %")
    axes.set_title("Accuracy against latency: mean ± standard deviation over seeds", fontsize=11)
    axes.margins(0.15)
    _style(axes)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def per_class(models: Sequence[str], runs: Sequence[FinishedRun]) -> Figure | None:
    """Each class's score less the baseline's, paired by seed: every seed a dot, their mean a marker with its 95 % interval."""
    key = next((key for key in BY_CLASS if all(key in run.per_class for run in runs)), None)
    others = [model for model in models[1:] if any(run.model == model for run in runs)]
    if key is None or not others:
        return None
    baseline = _by_class(runs, models[0], key)
    classes = [name for name in runs[0].per_class[key] if baseline.get(name)]
    if not classes:
        return None
    figure = Figure(figsize=(8, 1.6 + len(classes) * (0.22 + 0.14 * len(others))), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for index, model in enumerate(others, 1):
        shift = (index - (len(others) + 1) / 2) * 0.8 / len(others)
        scores = _by_class(runs, model, key)
        for row, name in enumerate(classes):
            _draw_difference(axes, row + shift, scores.get(name, {}), baseline[name], index)
        axes.plot([], [], MARKERS[index % len(MARKERS)], label=model, color=_colour(index))
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    for row in range(1, len(classes), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f3f3f3", zorder=0)
    axes.set_xlabel(f"{SCORES[key]} less that of {models[0]}, percentage points")
    axes.set_title("By class: seeds as dots, mean with 95 % interval", fontsize=11)
    _style(axes, "x")
    figure.legend(loc="outside lower center", ncols=min(4, len(others)), frameon=False)
    return figure


def _by_class(runs: Sequence[FinishedRun], model: str, key: str) -> dict[str, dict[int, float]]:
    """{class: {seed: score}} of a model, without classes that have no ground truth."""
    by_class: dict[str, dict[int, float]] = {}
    for run in [run for run in runs if run.model == model]:
        for name, score in run.per_class[key].items():
            if score is not None:
                by_class.setdefault(name, {})[run.seed] = score
    return by_class


def _draw_difference(
    axes: Axes, y: float, scores: Mapping[int, float], baseline: Mapping[int, float], index: int
) -> None:
    mean = difference(scores, baseline)
    if mean:
        seeds = [scores[seed] - baseline[seed] for seed in scores if seed in baseline]
        axes.scatter(seeds, [y] * len(seeds), s=16, alpha=0.55, linewidth=0, color=_colour(index))
        interval = None if mean.high is None else mean.high - mean.value
        axes.errorbar(mean.value, y, xerr=interval, markersize=4.5, **_marker(index))


def _marker(index: int) -> dict[str, Any]:
    return {"fmt": MARKERS[index % len(MARKERS)], "color": _colour(index), "elinewidth": 1}


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _style(axes: Axes, grid: Literal["both", "x"] = "both") -> None:
    axes.grid(axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
