"""docs/layers.md is what the code says, and the formulas in it count what is built."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from ultralytics.nn import tasks

from scripts.reproduce import cards
from yolo_attn.layers import LAYERS

PAGE = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")
layers = pytest.mark.parametrize("name", LAYERS)


class Doubling(nn.Module):
    """x (B, C, H, W) -> 2 * x. It has
    no parameter.

    Some gain | loss.

    Authors' code: triples
    x.

    Args:
        channels: C.
        rate: Of something,
            in two lines.

    Raises:
        ValueError: never.

    Source: nowhere.
    """

    def __init__(self, channels: int, rate: float = 0.5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels + 1))


@layers
def test_the_committed_card_of_a_layer_is_current(name):
    assert cards.card(name) in PAGE, "run `python scripts/layer_cards.py > docs/layers.md`"


def test_the_committed_page_has_the_cards_of_these_layers_in_order_and_no_other():
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == list(LAYERS)
    assert cards.page() in PAGE


def test_a_docstring_is_taken_apart():
    assert cards.described(Doubling) == cards.Described(
        map="x (B, C, H, W) -> 2 * x",
        notes=("It has no parameter.", "Some gain | loss."),
        authors="triples\nx.",
        arguments={"channels": "C.", "rate": "Of something, in two lines."},
        source="nowhere.",
    )


def test_a_layer_without_a_formula_shows_its_counts_at_two_widths(monkeypatch):
    monkeypatch.setitem(LAYERS, "Doubling", Doubling)
    assert cards._formula("Doubling") == "129 at 128 channels and 257 at 256 channels, counted"


@pytest.mark.parametrize("channels", [128, 256, 640])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {}) for name in cards.FORMULAS),
        ("BAM", {"reduction": 8, "authors_code": True}),
        ("CA", {"reduction": 4}),
        ("CBAM", {"reduction": 8, "kernel_size": 3, "authors_code": True}),
        ("DMSA", {"groups": 4}),
        ("ECA", {"kernel_size": 9}),
        ("ECA", {"gamma": 1.0, "bias": 2.0}),
        ("EMA", {"factor": 8}),
        ("EMANoCross", {"factor": 8}),
        ("EPSA", {"reduction": 4}),
        ("FCA", {"reduction": 8, "frequencies": 4}),
        ("GAM", {"groups": 4}),
        ("GAM", {"by_channel": False, "reduction": 4}),
        ("GAM", {"by_pixel": False}),
        ("GC", {"reduction": 4}),
        ("PointwiseControl", {"layer": "SE"}),
        ("PointwiseControl", {"layer": "GAM"}),
        ("ReZero", {"layer": "GC"}),
        ("SA", {"groups": 8}),
        ("SE", {"reduction": 4}),
        ("SGE", {"groups": 32}),
        ("TripletAttention", {"kernel_size": 3}),
    ],
)
def test_the_formula_counts_the_parameters_of_the_built_layer(name, arguments, channels):
    layer = LAYERS[name]
    with torch.device("meta"):
        built = layer([channels] if name == "EMCA" else channels, **arguments)
    assert cards.predicted(name, channels, **arguments) == sum(each.numel() for each in built.parameters())


@pytest.mark.parametrize("sources", [1, 2, 5])
@pytest.mark.parametrize("excitation", ["se", "eca", "srm"])
def test_the_formula_of_emca_counts_its_sources(excitation, sources):
    built = LAYERS["EMCA"]([128] * sources, excitation)
    predicted = cards.predicted("EMCA", 128, sources, excitation=excitation)
    assert predicted == sum(each.numel() for each in built.parameters())


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("SE", 2 * 256 * 16, 2 * 256 * 16),
        ("ECA", 5, 5 * 256),
        ("GC", 256 + 1 + 2 * 256 * 16 + 3 * 16 + 256, 2 * 256 * 1600 + 2 * 256 * 16),  # scores and sum over the pixels
        ("NAM", 2 * 256, 0),
        ("EMCA", 2 * 256 * 16 + 2, 2 * 256 * 16 + 2 * 256),
    ],
)
def test_the_cost_of_a_layer_on_256_x_40_x_40(name, parameters, multiply_adds):
    found = cards.cost(name)
    assert (found.parameters, found.gflops * 1e9) == (parameters, pytest.approx(2 * multiply_adds))


@layers
def test_the_row_of_a_card_builds_the_layer_with_its_defaults(name):
    conv, rows = [-1, 1, "Conv", [128, 3, 1]], yaml.safe_load(cards.yaml_row(name))
    model, _ = tasks.parse_model({"backbone": [conv, *rows], "head": []}, 3, verbose=False)
    assert type(model[1]) is LAYERS[name]
    expected = LAYERS[name]([128, 128] if name == "EMCA" else 128)
    assert [each.shape for each in model[1].parameters()] == [each.shape for each in expected.parameters()]
