"""Exact parameter counts that the papers print, and the kernel rule of ECA. The formulas of all layers: test_formulas.py."""

import pytest

from yolo_attn.layers import LAYERS


def count(name, channels, *args):
    return sum(parameter.numel() for parameter in LAYERS[name](channels, *args).parameters())


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("EMA", (), 2_624),
        ("CA", (), 25_648),
        ("CBAM", (), 32_866),
        ("CBAM", (16, 7, True), 33_412),
        ("ECA", (), 5),
        ("SA", (), 24),
        ("SE", (), 32_768),
        ("NAM", (), 1_024),
        ("TripletAttention", (), 300),
        ("SRM", (), 2_048),
        ("FCA", (), 32_768),
        ("SGE", (), 128),
    ],
)
def test_512_channels_have_the_published_count(name, args, expected):
    assert count(name, 512, *args) == expected


@pytest.mark.parametrize(
    ("channels", "gamma", "bias", "expected"),
    [
        (16, 2.0, 1.0, 3),
        (64, 2.0, 1.0, 3),
        (128, 2.0, 1.0, 5),
        (256, 2.0, 1.0, 5),
        (512, 2.0, 1.0, 5),
        (1024, 2.0, 1.0, 5),
        (2048, 2.0, 1.0, 7),
        (512, 1.0, 1.0, 11),
        (1, 2.0, 1.0, 1),
    ],
)
def test_eca_takes_its_kernel_from_the_papers_rule(channels, gamma, bias, expected):
    assert count("ECA", channels, 0, gamma, bias) == expected


@pytest.mark.parametrize("kernel_size", [1, 3, 9])
def test_eca_takes_a_kernel_given_by_hand(kernel_size):
    assert count("ECA", 512, kernel_size) == kernel_size


# What the layer adds to a ResNet in the papers' tables: full count less that of the plain network, as published there.
RESNET18 = 2 * [64, 128, 256, 512]
RESNET50 = 3 * [256] + 4 * [512] + 6 * [1024] + 3 * [2048]


@pytest.mark.parametrize(
    ("name", "args", "places", "added"),
    [
        ("SE", (), RESNET18, 11_776_552 - 11_689_512),
        ("SE", (), RESNET50, 28_071_976 - 25_557_032),
        ("FCA", (), RESNET50, 28_071_976 - 25_557_032),
        ("NAM", (), RESNET50, 23_735_460 - 23_705_252),
        ("BAM", (), [64, 128, 256], 11_712_503 - 11_689_512),
        ("BAM", (), [256, 512, 1024], 25_915_099 - 25_557_032),
        ("TripletAttention", (), RESNET18, 11_691_912 - 11_689_512),
        ("SRM", (), RESNET50, 25_587_240 + 2 * sum(RESNET50) - 25_557_032),  # the tables leave the bare parameter out
        ("GC", (), RESNET50, 28_105_032 - 25_557_032),
        ("GAM", (), RESNET18, 16_043_792 - 11_689_512),
        ("GAM", (16, 1, True, False), RESNET18, 11_778_592 - 11_689_512),
        ("GAM", (16, 1, False, True), RESNET18, 15_954_712 - 11_689_512),
        ("GAM", (), RESNET50, 151_322_168 - 25_557_032),
        ("GAM", (16, 4), RESNET50, 58_897_976 - 25_557_032),
    ],
)
def test_the_layers_of_a_resnet_add_what_the_papers_count(name, args, places, added):
    assert sum(count(name, channels, *args) for channels in places) == added


def test_two_and_three_double_attention_blocks_bring_resnet50_to_33_million():
    added = 2 * count("DoubleAttention", 512) + 3 * count("DoubleAttention", 1024)
    # By hand: four matrices C x C / 2 and their biases. 33.006 M is printed, 0.3 % more; the text gives no rule for the difference.
    assert added == 2 * (4 * 512 * 256 + 3 * 256 + 512) + 3 * (4 * 1024 * 512 + 3 * 512 + 1024)
    assert round((25_557_032 + added) / 1e6, 2) == 32.91
