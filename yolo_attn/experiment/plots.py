"""The plots of an experiment, from its records only: learning curves, AP against latency, differences by class."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yolo_attn.experiment import effects
from yolo_attn.experiment.effects import LEADING, Effect, leading_score
from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.summary import SCORES, Summary, summarise
from yolo_attn.storage import atomic_write

# Colours that people with a colour vision deficiency can tell apart (Okabe and Ito).
COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
MARKERS = "osD^vPX*"
GRID, STRIPE = "#dddddd", "#f3f3f3"
CURVES = ("mAP50", "mAP50-95")  # scores that are known by epoch


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
    for axes, key in zip(figure.subplots(1, 2), CURVES, strict=True):
        draw_curves(axes, models, runs, key)
    handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=min(4, len(models)), frameon=False)
    figure.suptitle("Validation during training: mean over seeds, band from lowest to highest")
    return figure


def draw_curves(axes: Axes, models: Sequence[str], runs: Sequence[FinishedRun], key: str) -> None:
    """Draw one of CURVES over epochs."""
    for index, model in enumerate(models):
        by_seed = [dict(zip(run.curve["epoch"], run.curve[key], strict=True)) for run in runs if run.model == model]
        if by_seed:
            epochs = sorted(set.intersection(*map(set, by_seed)))
            values = np.array([[scores[epoch] for epoch in epochs] for scores in by_seed]).reshape(len(by_seed), -1)
            draw_band(axes, epochs, values, index, f"{model} (n = {len(by_seed)})")
    axes.set(xlabel="epoch", ylabel=f"{key}, %", ylim=(0, None))
    axes.locator_params(axis="x", integer=True)
    style(axes)


def draw_band(axes: Axes, x: Sequence[float], values: np.ndarray, index: int, label: str) -> None:
    """Draw values (seeds, x) as the line of their mean and a band from the lowest to the highest, in the colour of a model."""
    axes.fill_between(x, values.min(0), values.max(0), alpha=0.15, linewidth=0, color=_colour(index))
    (line,) = axes.plot(x, values.mean(0), label=label, color=_colour(index))
    line.set_linewidth(2 if index == 0 else 1.5)
    line.set_marker("o" if len(x) == 1 else "")  # a line through one point cannot be seen


def accuracy_against_latency(summaries: Sequence[Summary]) -> Figure | None:
    """The score against the milliseconds of a forward pass, with a standard deviation each way; None without a score."""
    key = next((key for key in LEADING if key in summaries[0].scores), None)
    if key is None:
        return None
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    draw_accuracy_against_latency(axes, summaries, key)
    axes.set_xlabel("forward pass, one image, ms (median; runs measured one after another)")
    axes.set_title("Accuracy against latency: mean ± standard deviation over seeds", fontsize=11)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def draw_accuracy_against_latency(axes: Axes, summaries: Sequence[Summary], key: str) -> None:
    """Draw a score against the milliseconds of a forward pass, with a standard deviation each way."""
    for index, summary in enumerate(summaries):
        score, latency = summary.scores[key], summary.latency
        if score and latency:
            marker = {"label": f"{summary.model} (n = {score.n})", "capsize": 3, **_marker(index)}
            axes.errorbar(latency.value, score.value, xerr=latency.deviation, yerr=score.deviation, **marker)
    axes.set(xlabel="forward pass, ms", ylabel=f"{SCORES[key]}, %")
    axes.margins(0.15)
    style(axes)


def per_class(models: Sequence[str], runs: Sequence[FinishedRun]) -> Figure | None:
    """Each class's score less the baseline's, paired by seed: every seed a dot, their mean a marker with its 95 % interval."""
    key = leading_score(runs)
    found = effects.by_class(models, runs, key) if key else []
    if key is None or not found:
        return None
    figure = differences(models, found, f"{SCORES[key]} less that of {models[0]}, percentage points")
    figure.axes[0].set_title("By class: seeds as dots, mean with 95 % interval", fontsize=11)
    return figure


def differences(models: Sequence[str], found: Sequence[Effect], label: str, width: float = 8) -> Figure:
    """Draw effects in a row for each part, such as a class, one below the other for the models; `width` is in inches."""
    others = [model for model in models[1:] if any(effect.model == model for effect in found)]
    parts = list(dict.fromkeys(effect.part for effect in found))
    figure = Figure(figsize=(width, 1.6 + len(parts) * (0.22 + 0.14 * len(others))), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for effect in found:
        shift = (others.index(effect.model) - (len(others) - 1) / 2) * 0.8 / len(others)
        _draw_effect(axes, parts.index(effect.part) + shift, effect, models.index(effect.model))
    for model in others:
        index = models.index(model)
        axes.plot([], [], MARKERS[index % len(MARKERS)], label=model, color=_colour(index))
    axes.set_yticks(range(len(parts)), parts)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    for row in range(1, len(parts), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=STRIPE, zorder=0)
    axes.set_xlabel(label)
    style(axes, "x")
    figure.legend(loc="outside lower center", ncols=min(4, len(others)), frameon=False)
    return figure


def _draw_effect(axes: Axes, y: float, effect: Effect, index: int) -> None:
    axes.scatter(effect.by_seed, [y] * len(effect.by_seed), s=16, alpha=0.55, linewidth=0, color=_colour(index))
    mean = effect.difference
    interval = None
    if mean.low is not None and mean.high is not None:
        interval = [[mean.value - mean.low], [mean.high - mean.value]]
    axes.errorbar(mean.value, y, xerr=interval, markersize=4.5, **_marker(index))


def _marker(index: int) -> dict[str, Any]:
    return {"fmt": MARKERS[index % len(MARKERS)], "color": _colour(index), "elinewidth": 1}


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def style(axes: Axes, grid: Literal["both", "x"] = "both") -> None:
    """Give axes a light grid behind what is drawn, and no frame on the right and above."""
    axes.grid(axis=grid, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
