"""The recount of the papers' tables against what they print, and the rules that it counts by."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from scripts import results
from scripts.reproduce import papers, papers_page
from yolo_attn.layers import LAYERS
from yolo_attn.networks.resnet import ResNet

# (paper, table): rows exact after rounding, within 0.5 %, not matched, not built.
EXPECTED = {
    ("EMA", "1"): (9, 1, 0, 0),
    ("EMA", "2"): (7, 3, 0, 0),
    ("EMA", "3"): (1, 2, 0, 0),
    ("GAM", "1"): (6, 0, 0, 0),
    ("GAM", "2"): (17, 1, 0, 2),
    ("GAM", "3"): (4, 0, 0, 0),
    ("GAM", "4"): (4, 0, 0, 0),
    ("DMSANet", "2"): (6, 1, 1, 3),
    ("DMSANet", "3"): (7, 0, 1, 2),
    ("EMCA", "2"): (27, 0, 0, 0),
    ("EMCA", "3"): (45, 0, 0, 0),
    ("EMCA", "4"): (24, 0, 0, 0),
    ("EMCA", "5"): (29, 2, 0, 1),
}


@pytest.fixture(scope="module")
def recounts():
    return list(papers.recount())


def test_every_row_says_by_how_much_it_differs_from_the_printed_count(recounts):
    for entry in recounts:
        if entry.ours is None:
            assert entry.verdict == papers.MISSING
            continue
        unit, half_a_digit = {"10^6": (1e6, 0.005), "2^20": (2**20, 0.0005)}[entry.unit]
        off = abs(entry.ours / unit - entry.published)
        if entry.verdict == papers.EXACT:
            assert off <= half_a_digit + 1e-9
        else:
            assert off > half_a_digit * 0.999 or entry.why  # a row printed with other digits than its table says so
            assert (off <= 0.005 * entry.published) == (entry.verdict == papers.CLOSE)


def test_as_many_rows_are_exact_as_were_when_this_was_written(recounts):
    found = {}
    for entry in recounts:
        found.setdefault((entry.paper, entry.table), []).append(entry.verdict)
    kinds = (papers.EXACT, papers.CLOSE, papers.OFF, papers.MISSING)
    assert {table: tuple(verdicts.count(kind) for kind in kinds) for table, verdicts in found.items()} == EXPECTED


def test_the_recount_writes_itself_as_json_and_as_tables(recounts):
    assert len(json.loads(json.dumps([asdict(entry) for entry in recounts]))) == sum(map(sum, EXPECTED.values()))
    text = papers_page.markdown(recounts)
    assert "| + EMA (ours) | ResNet50 | 23.85 | 23,849,556 | exact after rounding |" in text
    assert "EMA's convolutions counted for one group" in text
    assert "M is 2^20, counted: leaf modules" in text


def test_counted_flops_are_the_printed_ones_of_the_networks_without_attention(recounts):
    plain = [entry for entry in recounts if entry.row in ("Baseline", "ResNet", "ResNet 50", "ResNet 18", "Yolov5x")]
    printed = [entry for entry in plain if entry.published_flops]
    assert len(printed) > 8
    for entry in printed:
        assert entry.gflops == pytest.approx(float(entry.published_flops.rstrip("G")), rel=0.006)


@pytest.mark.parametrize(
    ("published", "ours", "unit", "decimals", "expected"),
    [
        (23.85, 23_849_556, 10**6, 2, papers.EXACT),
        (24.373, 25_557_032, 2**20, 3, papers.EXACT),
        (23.84, 23_849_556, 10**6, 2, papers.CLOSE),
        (26.25, 25_326_008, 10**6, 2, papers.OFF),
        (27.9, None, 10**6, 2, papers.MISSING),
    ],
)
def test_a_verdict_rounds_as_the_table_does(published, ours, unit, decimals, expected):
    assert papers.verdict(published, ours, unit, decimals) == expected


def test_the_rules_leave_out_norms_or_bare_parameters():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), LAYERS["SRM"](8)
    )  # SRM: 2 x 8 bare, a BatchNorm of 2 x 8
    assert papers.parameters(network) == 224 + 16 + 32
    assert papers.parameters(network, papers.NO_NORMS) == 224 + 16
    assert papers.parameters(network, papers.LEAVES) == 224 + 16 + 16


def test_multiply_adds_follow_the_formulas():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.BatchNorm2d(8)).eval()
    macs = papers.multiply_adds(network, torch.zeros(1, 3, 10, 12))
    assert macs == 5 * 6 * 8 * 27 + 2 * 5 * 6 * 8


@pytest.mark.parametrize("name", ["EMA", "EMANoCross"])
def test_of_ema_one_group_is_counted(name):
    macs = papers.multiply_adds(LAYERS[name](64, 8).eval(), torch.zeros(1, 64, 10, 12))
    assert macs == 8 * 8 * (10 + 12) + 9 * 8 * 8 * 10 * 12


def test_torchvisions_resnet_has_its_known_multiply_adds_and_parameters():
    with torch.device("meta"):
        network = ResNet(3, 50).eval()
        macs = papers.multiply_adds(network, torch.empty(1, 3, 224, 224))
    assert papers.parameters(network) + 2048 * 1000 + 1000 == 25_557_032
    norms = 2 * 11_113_984  # values that pass a BatchNorm
    assert macs == 4_089_184_256 - 2_048_000 + norms


def test_the_committed_page_shows_these_tables(recounts):
    page = (results.ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert papers_page.markdown(recounts) in page, "run `python -m scripts.reproduce.papers_page > docs/papers.md`"
