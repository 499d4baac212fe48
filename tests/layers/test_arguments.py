"""Arguments that are refused, and what the message says."""

import pytest

from yolo_attn.layers import LAYERS


@pytest.mark.parametrize(
    ("name", "channels", "args", "message"),
    [
        (
            "EMA",
            72,
            (32,),
            "EMA: 72 channels cannot be split into 32 groups; the nearest factors that fit are 24 and 36.",
        ),
        ("EMA", 16, (32,), "EMA: 16 channels cannot be split into 32 groups; the nearest factor that fits is 16."),
        ("EMA", 64, (0,), "EMA: channels and factor must be 1 or more, found 64 and 0; factor is usually 32."),
        ("CA", 64, (0,), "CA: channels and reduction must be 1 or more, found 64 and 0; reduction is usually 32."),
        ("CA", 0, (), "CA: channels and reduction must be 1 or more, found 0 and 32; reduction is usually 32."),
        ("CBAM", 0, (), "CBAM: channels must be 1 or more, found 0; give the width of the map."),
        (
            "CBAM",
            8,
            (16,),
            "CBAM: reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16.",
        ),
        (
            "CBAM",
            64,
            (-1,),
            "CBAM: reduction -1 leaves no bottleneck in 64 channels; it must be from 1 to 64, usually 16.",
        ),
        ("CBAM", 64, (16, 6), "CBAM: kernel_size must be odd and positive, found 6; the paper's is 7."),
        ("CBAM", 64, (16, -1), "CBAM: kernel_size must be odd and positive, found -1; the paper's is 7."),
        ("ECA", 0, (), "ECA: channels must be 1 or more, found 0; give the width of the map."),
        ("ECA", 64, (4,), "ECA: kernel_size must be odd and positive, found 4; use 5, or 0 for the paper's rule."),
        ("ECA", 64, (-3,), "ECA: kernel_size must be odd and positive, found -3; use 1, or 0 for the paper's rule."),
        ("ECA", 64, (0, 0.0), "ECA: gamma must be above 0, found 0.0; the paper's is 2."),
        (
            "SA",
            72,
            (64,),
            "SA: 72 channels cannot be split into 64 groups of two halves; the nearest number that fits is 36.",
        ),
        (
            "SA",
            72,
            (8,),
            "SA: 72 channels cannot be split into 8 groups of two halves; the nearest numbers that fit are 6 and 9.",
        ),
        ("SA", 65, (64,), "SA: 65 channels cannot be split into halves; give an even number of channels."),
        ("SA", 64, (0,), "SA: channels and groups must be 1 or more, found 64 and 0; groups is usually 64."),
    ],
)
def test_a_refused_argument_is_named_with_the_way_out(name, channels, args, message):
    with pytest.raises(ValueError) as error:
        LAYERS[name](channels, *args)
    assert str(error.value) == message
