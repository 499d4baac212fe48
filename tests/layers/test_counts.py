"""Exact parameter counts: the papers' definitions as formulas, and the numbers published for 512 channels."""

import pytest

from yolo_attn.layers import LAYERS

WIDTHS = [128, 256, 512, 640]


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
    ],
)
def test_512_channels_have_the_published_count(name, args, expected):
    assert count(name, 512, *args) == expected


@pytest.mark.parametrize("factor", [8, 32])
@pytest.mark.parametrize("channels", WIDTHS)
def test_ema_has_a_1x1_and_a_3x3_kernel_two_biases_and_a_norm_on_one_group(channels, factor):
    k = channels // factor
    assert count("EMA", channels, factor) == 10 * k**2 + 4 * k


@pytest.mark.parametrize("reduction", [16, 32])
@pytest.mark.parametrize("channels", [*WIDTHS, 72])
def test_ca_has_three_kernels_and_a_bottleneck_of_at_least_8(channels, reduction):
    m = max(8, channels // reduction)
    assert count("CA", channels, reduction) == 3 * channels * m + 3 * m + 2 * channels


@pytest.mark.parametrize("kernel_size", [3, 7])
@pytest.mark.parametrize("channels", WIDTHS)
def test_cbam_has_two_matrices_and_one_kernel(channels, kernel_size):
    assert count("CBAM", channels, 16, kernel_size) == channels**2 // 8 + 2 * kernel_size**2


@pytest.mark.parametrize("channels", WIDTHS)
def test_cbam_of_the_authors_code_adds_biases_and_a_norm(channels):
    assert count("CBAM", channels, 16, 7, True) == channels**2 // 8 + channels + channels // 16 + 100


@pytest.mark.parametrize(
    ("channels", "gamma", "bias", "expected"),
    [
        (16, 2.0, 1.0, 3),
        (64, 2.0, 1.0, 3),
        (128, 2.0, 1.0, 5),
        (256, 2.0, 1.0, 5),
        (512, 1.0, 1.0, 11),
        (1, 2.0, 1.0, 1),
    ],
)
def test_eca_takes_its_kernel_from_the_papers_rule(channels, gamma, bias, expected):
    assert count("ECA", channels, 0, gamma, bias) == expected


@pytest.mark.parametrize("kernel_size", [1, 3, 9])
def test_eca_takes_a_kernel_given_by_hand(kernel_size):
    assert count("ECA", 512, kernel_size) == kernel_size


@pytest.mark.parametrize("groups", [8, 64])
@pytest.mark.parametrize("channels", WIDTHS)
def test_sa_has_six_vectors_of_half_a_group(channels, groups):
    assert count("SA", channels, groups) == 6 * channels // (2 * groups)
