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


@pytest.mark.parametrize("groups", [8, 64])
@pytest.mark.parametrize("channels", WIDTHS)
def test_sa_has_six_vectors_of_half_a_group(channels, groups):
    assert count("SA", channels, groups) == 6 * channels // (2 * groups)


@pytest.mark.parametrize("channels", [64, 128, 512])
def test_epsa_has_four_grouped_kernels_and_a_shared_bottleneck_with_biases(channels):
    k = channels // 4
    kernels = sum(channels // groups * k * size**2 for size, groups in [(3, 1), (5, 4), (7, 8), (9, 16)])
    assert count("EPSA", channels) == kernels + 2 * k * (k // 16) + k + k // 16


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("channels", WIDTHS)
def test_dmsa_has_two_kernels_on_half_the_channels_and_five_matrices_on_half_a_group(channels, groups):
    k = channels // (2 * groups)
    assert count("DMSA", channels, groups) == (9 + 25) * (channels // 2) ** 2 + 5 * k**2 + 5 * k + 2


@pytest.mark.parametrize("factor", [8, 32])
def test_ema_without_the_cross_spatial_step_has_the_parameters_of_ema(factor):
    assert count("EMANoCross", 256, factor) == count("EMA", 256, factor)


@pytest.mark.parametrize("reduction", [8, 16])
@pytest.mark.parametrize("channels", WIDTHS)
@pytest.mark.parametrize("name", ["SE", "FCA"])
def test_se_and_fca_have_two_matrices(name, channels, reduction):
    assert count(name, channels, reduction) == 2 * channels**2 // reduction


@pytest.mark.parametrize(("name", "per_channel"), [("NAM", 2), ("SRM", 4)])
@pytest.mark.parametrize("channels", WIDTHS)
def test_nam_has_a_norm_and_srm_two_weights_more_per_channel(name, per_channel, channels):
    assert count(name, channels) == per_channel * channels


@pytest.mark.parametrize("channels", WIDTHS)
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_triplet_attention_has_three_kernels_and_norms_whatever_the_width(channels, kernel_size):
    assert count("TripletAttention", channels, kernel_size) == 3 * (2 * kernel_size**2 + 2)


@pytest.mark.parametrize("groups", [8, 64])
@pytest.mark.parametrize("channels", WIDTHS)
def test_sge_has_a_weight_and_a_bias_per_group(channels, groups):
    assert count("SGE", channels, groups) == 2 * groups


@pytest.mark.parametrize("authors_code", [False, True])
@pytest.mark.parametrize("reduction", [8, 16])
@pytest.mark.parametrize("channels", WIDTHS)
def test_bam_has_two_bottlenecks_with_biases_and_four_norms(channels, reduction, authors_code):
    m = channels // reduction
    by_channel = channels * m + m + 2 * m + m * channels + channels
    by_pixel = channels * m + m + 2 * m + 2 * (9 * m**2 + m + 2 * m) + m + 1
    assert count("BAM", channels, reduction, 4, authors_code) == by_channel + by_pixel


@pytest.mark.parametrize(("groups", "reduction"), [(1, 16), (4, 16), (1, 4)])
@pytest.mark.parametrize("channels", WIDTHS)
def test_gam_has_a_bottleneck_with_biases_and_two_7x7_kernels_with_one_norm(channels, reduction, groups):
    m = channels // reduction
    by_channel = 2 * channels * m + m + channels
    by_pixel = 2 * 49 * channels * m // groups + 2 * m
    assert count("GAM", channels, reduction, groups) == by_channel + by_pixel
    assert count("GAM", channels, reduction, groups, True, False) == by_channel
    assert count("GAM", channels, reduction, groups, False, True) == by_pixel


@pytest.mark.parametrize("reduction", [8, 16])
@pytest.mark.parametrize("channels", WIDTHS)
def test_gc_has_a_pixel_score_and_a_bottleneck_with_biases_and_a_norm(channels, reduction):
    m = channels // reduction
    assert count("GC", channels, reduction) == channels + 1 + channels * m + m + 2 * m + m * channels + channels


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
