"""The plots of the page as SVG inside it, in the colours of the page's light or dark look."""

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from yolo_attn.experiment import plots
from yolo_attn.experiment.effects import Effect, leading_score
from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.report.folders import Run
from yolo_attn.experiment.summary import summarise
from yolo_attn.visdrone.evaluation.curves import RECALLS

WIDTH = 5.2  # inches: a figure is about as wide as a phone, so that its text can be read there
PANEL = (3.3, 2.6)  # inches
MOST_PANELS = 12
# The same colours on a dark page.
DARK = ("#e6e6e6", "#4ea6dc", "#ff8a4c", "#2fc79a", "#e3a3c6", "#f0b429", "#8fd0f5", "#c2a05a")
# Colours in an SVG: names of the page's style, which has them for light and dark.
NAMED = {
    **{colour: f"var(--model-{index})" for index, colour in enumerate(plots.COLOURS)},
    plots.GRID: "var(--line)",
    plots.STRIPE: "var(--shade)",
    "#000000": "currentColor",
}


def inline_svg(figure: Figure, title: str) -> Markup:
    """A figure -> an <svg> element without background, its text as text in the page's font, with a title for readers that speak.

    Its identifiers are hashes of what they stand for: two elements of a page that share one are alike.
    """
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    for colour, name in NAMED.items():
        svg = svg.replace(colour, name)
    tag = re.match(r'<svg[^>]* width="([\d.]+)pt"[^>]* viewBox="([^"]*)"', svg)
    assert tag is not None  # as matplotlib writes it
    head = f'<svg role="img" aria-label="{escape(title)}" style="max-width: {tag[1]}pt" viewBox="{tag[2]}"'
    # matplotlib escapes what it is given.
    return Markup(re.sub(r"\s*\n\s*", "\n", f"{head}>{svg[svg.index('>') + 1 :]}"))


def learning_curves(models: Sequence[str], runs: Sequence[FinishedRun]) -> list[Markup]:
    """A plot for each score that is known by epoch: mean of the seeds and a band from the lowest to the highest."""
    drawn = []
    for key in plots.CURVES:
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        plots.draw_curves(figure.subplots(), models, runs, key)
        drawn.append(inline_svg(figure, f"{key} over epochs"))
    return drawn


def precision_over_recall(models: Sequence[str], precision: Mapping[Run, Mapping[str, np.ndarray]]) -> list[Markup]:
    """A plot of the mean over classes and one for each class, at most MOST_PANELS: all models, bands over the seeds.

    Args:
        models: In the order of their colours.
        precision: {run: {class: (101,) precision over recall, 0 to 1}}.
    """
    if not precision:
        return []
    classes = list(dict.fromkeys(name for by_class in precision.values() for name in by_class))
    panels = {
        "mean over classes": {run: np.mean(list(curves.values()), 0) for run, curves in precision.items() if curves}
    }
    panels |= {name: {run: curves[name] for run, curves in precision.items() if name in curves} for name in classes}
    return [_precision_panel(title, models, panels[title]) for title in list(panels)[:MOST_PANELS]]


def _precision_panel(title: str, models: Sequence[str], by_run: Mapping[Run, np.ndarray]) -> Markup:
    figure = Figure(figsize=PANEL, layout="constrained")
    axes = figure.subplots()
    for index, model in enumerate(models):
        curves = [curve for (name, _), curve in by_run.items() if name == model]
        if curves:
            plots.draw_band(axes, RECALLS.tolist(), np.array(curves), index, model)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(title, fontsize=11)
    plots.style(axes)
    return inline_svg(figure, f"Precision over recall: {title}")


def effects(models: Sequence[str], found: Sequence[Effect], label: str) -> Markup:
    """Differences to the baseline in a row for each class or range of sizes."""
    return inline_svg(plots.differences(models, found, label, width=WIDTH), label)


def latency(models: Sequence[str], runs: Sequence[FinishedRun]) -> Markup | None:
    """Accuracy against the time of a forward pass; None without a score."""
    key = leading_score(runs)
    if key is None:
        return None
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    plots.draw_accuracy_against_latency(figure.subplots(), summarise(models, runs), key)
    return inline_svg(figure, "Accuracy against latency")
