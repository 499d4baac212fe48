"""Plots as SVG."""

import re
from xml.etree import ElementTree

import numpy as np
from matplotlib.figure import Figure

from tests.experiment.runs import finished_run
from yolo_attn.experiment import plots
from yolo_attn.experiment.effects import Effect
from yolo_attn.experiment.report import figures
from yolo_attn.experiment.summary import Difference


def test_an_svg_takes_its_colours_from_the_page_and_has_no_size_of_its_own():
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    for colour in plots.COLOURS:
        axes.plot([0, 1], [0, 1], color=colour)
    plots.style(axes)
    svg = figures.inline_svg(figure, 'a "title" & more')
    root = ElementTree.fromstring(str(svg).replace("<svg ", '<svg xmlns:xlink="x" ', 1))  # well-formed
    assert (root.get("aria-label"), root.get("width"), root.get("viewBox")) == ('a "title" & more', None, "0 0 288 216")
    assert not re.search("#[0-9a-f]{6}", svg)
    assert all(f"var(--model-{index})" in svg for index in range(len(plots.COLOURS)))
    assert "var(--line)" in svg and "<style" not in svg and "http" not in svg


def test_names_are_escaped():
    svg = figures.effects(["a", "<b>&"], [Effect("<b>&", "<i>", Difference(1, 0, 2, 3))], "<u>")
    assert not re.search("<[biu]>", svg)
    assert "&lt;b&gt;&amp;" in svg and "&lt;i&gt;" in svg


def test_there_is_a_dark_colour_for_each_light_one():
    assert len(figures.DARK) == len(plots.COLOURS) == len(set(figures.DARK))


def test_there_is_a_curve_for_each_score_that_is_known_by_epoch():
    assert len(figures.learning_curves(["plain"], [finished_run("plain", 0)])) == 2


def test_precision_has_a_panel_for_the_mean_and_one_for_each_class():
    line = np.linspace(1, 0, 101)
    precision = {("plain", 0): {"car": line, "bus": line}, ("ema", 0): {"car": line}}
    panels = figures.precision_over_recall(["plain", "ema"], precision)
    assert [re.search('aria-label="([^"]*)"', panel)[1] for panel in panels] == [
        f"Precision over recall: {name}" for name in ("mean over classes", "car", "bus")
    ]


def test_many_classes_have_few_panels(monkeypatch):
    monkeypatch.setattr(figures, "inline_svg", lambda figure, title: title)  # it takes most of the time
    by_class = {str(number): np.zeros(101) for number in range(80)}
    assert len(figures.precision_over_recall(["plain"], {("plain", 0): by_class})) == figures.MOST_PANELS


def test_an_interval_need_not_be_symmetrical():
    figure = plots.differences(["a", "b"], [Effect("b", "car", Difference(1.0, 0.5, 3.0, 3))], "")
    (bar,) = [collection for collection in figure.axes[0].collections if len(collection.get_paths()[0].vertices) == 2]
    assert bar.get_segments()[0][:, 0].tolist() == [0.5, 3.0]
