"""The rules of counting that the papers' tables need, against hand calculations."""

import pytest
import torch
from torch import nn

from scripts.reproduce import papers, papers_counts, papers_networks
from yolo_attn.layers import LAYERS
from yolo_attn.networks.resnet import ResNet


@pytest.mark.parametrize(
    ("published", "ours", "unit", "decimals", "expected"),
    [
        (23.85, 23_849_556, 10**6, 2, "exact"),
        (24.373, 25_557_032, 2**20, 3, "exact"),
        (23.84, 23_849_556, 10**6, 2, "within 0.5 %"),
        (26.25, 25_326_008, 10**6, 2, "differs, -3.5 %"),
        (27.9, None, 10**6, 2, "not built"),
        (None, 25_326_008, 10**6, 2, "none printed"),
    ],
)
def test_a_verdict_rounds_as_the_table_does(published, ours, unit, decimals, expected):
    assert papers.verdict(published, ours, unit, decimals) == expected


@pytest.mark.parametrize(
    ("published", "ours", "expected"),
    [
        ("4.11G", 4.111, "exact"),
        ("16.5M", 16.528, "exact"),
        ("207.07G", 206.788, "within 1 %"),
        ("1.36G", 1.320, "differs, -2.9 %"),
        ("3.44G", 4.086, "differs, +18.8 %"),
        (None, 4.1, ""),
        ("4.11G", None, ""),
    ],
)
def test_a_verdict_on_flops_takes_the_printed_digits(published, ours, expected):
    assert papers.flops_verdict(published, ours) == expected


def test_the_rules_leave_out_norms_bare_or_frozen_parameters():
    # SRM: 2 x 8 bare, a BatchNorm of 2 x 8
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), LAYERS["SRM"](8))
    network[0].requires_grad_(False)
    expected = {"all": 224 + 16 + 32, "no norms": 224 + 16, "leaf modules": 224 + 16 + 16, "trained": 16 + 32}
    assert {rule: papers_counts.parameters(network, rule) for rule in papers_counts.RULES} == expected


def test_multiply_adds_follow_the_formulas():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.BatchNorm2d(8)).eval()
    macs = papers_counts.multiply_adds(network, torch.zeros(1, 3, 10, 12))
    assert macs == 5 * 6 * 8 * 27 + 2 * 5 * 6 * 8


@pytest.mark.parametrize("name", ["EMA", "EMANoCross"])
def test_of_ema_one_group_is_counted(name):
    macs = papers_counts.multiply_adds(LAYERS[name](64, 8).eval(), torch.zeros(1, 64, 10, 12))
    assert macs == 8 * 8 * (10 + 12) + 9 * 8 * 8 * 10 * 12


def test_torchvisions_resnet_has_its_known_multiply_adds_and_parameters():
    with torch.device("meta"):
        network = ResNet(3, 50).eval()
    macs = papers_counts.multiply_adds(network, torch.empty(1, 3, 224, 224, device="meta"))
    assert papers_counts.parameters(network) + 2048 * 1000 + 1000 == 25_557_032
    norms = 2 * 11_113_984  # values that pass a BatchNorm
    assert macs == 4_089_184_256 - 2_048_000 + norms


def test_a_pass_of_a_detector_runs_its_heads_on_all_levels_and_on_1000_regions():
    faster, mask = (
        papers.multiply_adds({"network": ["ResNet", [50, "", "end"]], "detector": kind})
        for kind in ("FasterRCNN", "MaskRCNN")
    )
    convolutions, doubling, classes = 4 * 14 * 14 * 256 * 256 * 9, 28 * 28 * 256 * 256 * 4, 28 * 28 * 256 * 81
    assert mask - faster == 100 * (convolutions + doubling + classes)
    backbone_and_pyramid = faster - 1000 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * 81 * 5)
    levels = [200 * 320, 100 * 160, 50 * 80, 25 * 40]
    pyramid = sum(
        cells * (256 * width + 9 * 256 * 256) for cells, width in zip(levels, (256, 512, 1024, 2048), strict=True)
    )
    proposals = sum(cells * (9 * 256 * 256 + 256 * 15) for cells in (*levels, 13 * 20))
    resnet = round((4_089_184_256 - 2_048_000 + 2 * 11_113_984) * 800 * 1280 / 224**2)
    assert backbone_and_pyramid == pytest.approx(pyramid + proposals + resnet, rel=0.001)


def test_a_network_is_named_as_a_user_writes_it():
    label = papers_networks.label
    assert label({"network": ["ResNet", [50, "", "end", "cifar"]]}) == "ResNet, [50, '', end, cifar]"
    assert label({"network": ["ResNet", [50, "SE", "end"]], "detector": "MaskRCNN"}) == "MaskRCNN over ResNet, [50, SE]"
    assert label({"yolo": "yolov5-paper-p2-ema.yaml", "scale": "x"}) == "yolov5x-paper-p2-ema.yaml"
