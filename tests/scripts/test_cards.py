"""docs/layers.md says what the code says."""

import re
from pathlib import Path

import pytest
import yaml
from torch import nn
from ultralytics.nn import tasks

from scripts.reproduce import cards_page as cards
from yolo_attn.layers import LAYERS, is_multi_source

PAGE = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")
layers = pytest.mark.parametrize("name", LAYERS)


class Doubling(nn.Module):
    """x (B, C, H, W) -> 2 * x.

    Some gain | loss.

    Authors' code: triples
    x.

    Args:
        channels: C.
        rate: Of something: else,
            in two lines.

    Raises:
        ValueError: never.

    Source: nowhere.
    """


@layers
def test_the_committed_card_of_a_layer_is_current(name):
    assert cards.card(name) in PAGE, "run `python -m scripts.reproduce.cards_page > docs/layers.md`"


def test_the_committed_page_has_the_cards_of_these_layers_in_order_and_no_other():
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == list(LAYERS)
    assert cards.page() == PAGE


def test_a_docstring_is_taken_apart():
    assert cards.docstring(Doubling) == (
        ["x (B, C, H, W) -> 2 * x.", "Some gain | loss.", "Authors' code: triples\nx."],
        {"channels": "C.", "rate": "Of something: else, in two lines."},
        "nowhere.",
    )


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("EMA", "GroupNorm"),
        ("EMCA", "multiplies by 1 + gate"),
        ("EMCA", "the gate of the first block from that block alone"),
        ("EMCA", "before their shortcut is added"),
        ("EMCA", "section IV-H into the first"),
        ("DMSA", "was never published"),
        ("DMSA", "Equation 9 multiplies each scale"),
        ("DMSA", "Equation 4, for channels, and equation 6, for pixels, add the input of the branch"),
        ("DMSA", "kernel sizes 3 and 5, two groups"),
    ],
)
def test_a_card_tells_where_the_layer_departs_from_its_paper_or_the_authors_code(name, fact):
    authors = next(part for part in cards.card(name).split("\n\n") if part.startswith("**Authors' code:**"))
    assert fact in " ".join(authors.split())


def test_the_card_of_dmsa_says_that_the_counts_of_the_paper_cannot_be_reached():
    """A block of `planes` channels loses a 3x3, 9 * planes^2 parameters, for a module of a * planes^2: a by hand, and ours."""
    text = " ".join(cards.card("DMSA").split())
    widths = (64, 128, 256, 512)
    for torchvision, published, blocks in (25_557_032, 26.25, (3, 4, 6, 3)), (44_549_160, 42.29, (3, 4, 23, 3)):
        squares = sum(number * planes**2 for number, planes in zip(blocks, widths, strict=True))
        without = torchvision - 9 * squares
        assert f"{(published * 1e6 - without) / squares:.2f} for {published}" in text
        linear = sum(number * (5 * planes // 4 + 2) for number, planes in zip(blocks, widths, strict=True))
        assert f"{without + squares * 34 // 4 + squares * 5 // 16 + linear:,}" in text


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
    size = cards.cost(name)
    assert (size.parameters, cards.multiply_adds(size)) == (parameters, multiply_adds)
    assert f"{parameters:,} parameters, {multiply_adds:,} multiply-adds." in cards.card(name)


@layers
def test_the_row_of_a_card_builds_the_layer_with_its_defaults(name):
    conv, rows = [-1, 1, "Conv", [128, 3, 1]], yaml.safe_load(cards.yaml_row(name))
    model, _ = tasks.parse_model({"backbone": [conv, *rows], "head": []}, 3, verbose=False)
    assert type(model[1]) is LAYERS[name]
    expected = LAYERS[name]([128, 128] if is_multi_source(LAYERS[name]) else 128)
    assert [parameter.shape for parameter in model[1].parameters()] == [
        parameter.shape for parameter in expected.parameters()
    ]


@layers
def test_every_card_has_a_diagram_of_the_mechanism(name):
    assert cards.diagram(name)
