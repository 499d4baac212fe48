"""The pictures of an experiment, from its records alone: learning curves, AP against latency, differences by class."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yolo_attn.experiment import paired
from yolo_attn.experiment.report import SCORES, Summary, summarise

COLOURS = (
    "#4d4d4d",
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6d31",
)  # told apart by everyone
MARKERS = "osD^vPX*"
HEADINGS = {"AP": "official AP", "mAP50-95": "mAP50-95"}  # of the protocols that know classes, the preferred one first


def write(folder: Path, models: Sequence[str], records: Sequence[dict]) -> list[Path]:
    """Draw what the records allow into `folder`; nothing without a record."""
    if not records:
        return []
    summaries = summarise(models, records)
    drawn = {
        "curves.png": curves(models, records),
        "ap-latency.png": accuracy_against_latency(summaries),
        "per-class.png": per_class(models, records),
    }
    for name, figure in drawn.items():
        if figure is not None:
            with matplotlib.rc_context({"savefig.dpi": 150}):
                figure.savefig(folder / name)
    return [folder / name for name, figure in drawn.items() if figure is not None]


def curves(models: Sequence[str], records: Sequence[dict]) -> Figure:
    """mAP over epochs: the mean of the seeds and a band from the lowest to the highest."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("mAP50", "mAP50-95"), strict=True):
        for index, name in enumerate(models):
            found = [record["curve"] for record in records if record["model"] == name]
            if not found:
                continue
            epochs = sorted(set.intersection(*(set(curve["epoch"]) for curve in found)))
            rows = np.array([[dict(zip(c["epoch"], c[key], strict=True))[epoch] for epoch in epochs] for c in found])
            style = {"color": COLOURS[index % len(COLOURS)]}
            axes.fill_between(epochs, rows.min(0), rows.max(0), alpha=0.15, linewidth=0, **style)
            label = f"{name} (n = {len(found)})"
            axes.plot(
                epochs, rows.mean(0), label=label, linewidth=2 if index == 0 else 1.5, marker=_dot(epochs), **style
            )
        axes.set(xlabel="epoch", ylabel=f"{key}, %", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(models)), frameon=False
    )
    figure.suptitle("Validation during training: mean over seeds, band from lowest to highest")
    return figure


def accuracy_against_latency(summaries: Sequence[Summary]) -> Figure | None:
    """The score against the milliseconds of a forward pass, with a standard deviation each way."""
    key = next((key for key in HEADINGS if key in summaries[0].scores), None)
    shown = [(i, one) for i, one in enumerate(summaries) if key and one.scores[key] is not None]
    if not shown:
        return None
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for index, one in shown:
        score, latency = one.scores[key], one.latency
        axes.errorbar(
            latency.value,
            score.value,
            xerr=latency.deviation,
            yerr=score.deviation,
            fmt=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            elinewidth=1,
            capsize=3,
            label=f"{one.model} (n = {score.n})",
        )
    axes.set(xlabel="forward pass, one image, ms (median; runs measured one after another)", ylabel=f"{SCORES[key]}, %")
    axes.set_title("Accuracy against latency: mean ± standard deviation over seeds", fontsize=11)
    axes.margins(0.15)
    _plain(axes)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def per_class(models: Sequence[str], records: Sequence[dict]) -> Figure | None:
    """Each class's score less the baseline's, paired by seed: every seed a dot, their mean a marker with its 95 % interval."""
    key = next((key for key in HEADINGS if all(key in record["per_class"] for record in records)), None)
    others = [name for name in models[1:] if any(record["model"] == name for record in records)]
    if key is None or not others:
        return None
    baseline = _classes(records, models[0], key)
    names = [name for name in records[0]["per_class"][key] if baseline.get(name)]
    if not names:
        return None
    figure = Figure(figsize=(8, 1.6 + len(names) * (0.22 + 0.14 * len(others))), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for index, model in enumerate(others, 1):
        found, shift = _classes(records, model, key), (index - (len(others) + 1) / 2) * 0.8 / len(others)
        style = {"color": COLOURS[index % len(COLOURS)]}
        for place, name in enumerate(names):
            pairs = paired.difference(found.get(name, {}), baseline[name])
            if pairs is None:
                continue
            seeds = [found[name][seed] - baseline[name][seed] for seed in found[name] if seed in baseline[name]]
            axes.scatter(seeds, [place + shift] * len(seeds), s=16, alpha=0.55, linewidth=0, **style)
            bar = None if pairs.low is None else pairs.high - pairs.value
            axes.errorbar(
                pairs.value, place + shift, xerr=bar, fmt=MARKERS[index % len(MARKERS)], ms=4.5, elinewidth=1, **style
            )
        axes.plot([], [], MARKERS[index % len(MARKERS)], label=model, **style)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for place in range(1, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", zorder=0)
    axes.set_xlabel(f"{SCORES[key]} less that of {models[0]}, percentage points")
    axes.set_title("By class: seeds as dots, mean with 95 % interval", fontsize=11)
    _plain(axes, "x")
    figure.legend(loc="outside lower center", ncols=min(4, len(others)), frameon=False)
    return figure


def _classes(records: Sequence[dict], model: str, key: str) -> dict[str, dict[int, float]]:
    """{class: {seed: score}} of a model, without classes that have no ground truth."""
    found: dict[str, dict[int, float]] = {}
    for record in records:
        if record["model"] == model:
            for name, value in record["per_class"][key].items():
                if value is not None:
                    found.setdefault(name, {})[record["seed"]] = value
    return found


def _dot(epochs: Sequence[int]) -> str | None:
    return "o" if len(epochs) == 1 else None  # a line through one point is none


def _plain(axes: Axes, grid: str = "both") -> None:
    axes.grid(axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
