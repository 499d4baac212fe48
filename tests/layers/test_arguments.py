"""Arguments that are refused, and what the message says."""

import pytest
import torch

from yolo_attn.layers import LAYERS

# fmt: off
REFUSED = [  # layer, channels, further arguments, message behind the layer's name
    ("EMA", 72, (32,), "72 channels cannot be split into 32 groups; the nearest factors that fit are 24 and 36."),
    ("EMA", 16, (32,), "16 channels cannot be split into 32 groups; the nearest factor that fits is 16."),
    ("EMA", 64, (0,), "channels and factor must be 1 or more, found 64 and 0; factor is usually 32."),
    ("CA", 64, (0,), "channels and reduction must be 1 or more, found 64 and 0; reduction is usually 32."),
    ("CA", 0, (), "channels and reduction must be 1 or more, found 0 and 32; reduction is usually 32."),
    ("CBAM", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("CBAM", 8, (16,), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("CBAM", 64, (-1,), "reduction -1 leaves no bottleneck in 64 channels; it must be from 1 to 64, usually 16."),
    ("CBAM", 64, (16, 6), "kernel_size must be odd and positive, found 6; the paper's is 7."),
    ("CBAM", 64, (16, -1), "kernel_size must be odd and positive, found -1; the paper's is 7."),
    ("ECA", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("ECA", 64, (4,), "kernel_size must be odd and positive, found 4; use 5, or 0 for the paper's rule."),
    ("ECA", 64, (-3,), "kernel_size must be odd and positive, found -3; use 1, or 0 for the paper's rule."),
    ("ECA", 64, (0, 0.0), "gamma must be above 0, found 0.0; the paper's is 2."),
    ("SA", 72, (64,), "72 channels cannot be split into 64 groups of two halves; the nearest number that fits is 36."),
    ("SA", 72, (8,), "72 channels cannot be split into 8 groups of two halves; the nearest numbers that fit are 6 and 9."),
    ("SA", 65, (64,), "65 channels cannot be split into halves; give an even number of channels."),
    ("SA", 64, (0,), "channels and groups must be 1 or more, found 64 and 0; groups is usually 64."),
    ("EMCA", [], (), "widths must be 1 or more, found []; give the widths of the feature maps."),
    ("EMCA", [64, 0], (), "widths must be 1 or more, found [64, 0]; give the widths of the feature maps."),
    ("EMCA", [64, 32, 128], (), "source 3 has 128 channels, more than the 64 of the first; name rows of at most 64 channels."),
    ("EMCA", [64], ("gc",), "there is no excitation 'gc'; write se, eca, srm."),
    ("EMCA", [8, 8], ("se", 16), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("EPSA", 96, (), "96 channels are not a multiple of 64; the nearest widths that fit are 64 and 128."),
    ("EPSA", 32, (), "32 channels are not a multiple of 64; the nearest width that fits is 64."),
    ("EPSA", 64, (17,), "reduction 17 leaves no bottleneck in 16 channels; it must be from 1 to 16."),
    ("EPSA", 64, (16, "3 5 7"), "kernels must be four whole numbers such as '3 5 7 9', found '3 5 7'; give one per scale."),
    ("EPSA", 64, (16, "3 5 7 x"), "kernels must be four whole numbers such as '3 5 7 9', found '3 5 7 x'; give one per scale."),
    ("EPSA", 64, (16, "3 5 7 8"), "kernel_size must be odd and positive, found 8; the paper's are 3, 5, 7 and 9."),
    ("EPSA", 64, (16, "3 5 7 9", "1 4 8"), "groups must be four whole numbers such as '3 5 7 9', found '1 4 8'; give one per scale."),
    ("EPSA", 64, (16, "3 5 7 9", "0 4 8 8"), "groups must be 1 or more, found 0; the paper's are 1, 4, 8 and 16."),
    ("EPSA", 64, (16, "3 5 5 7", "32 32 32 32"), "64 channels are not a multiple of 128; the nearest width that fits is 128."),
    ("EPSA", 64, (16, "3 5 7 9", "1 4 8 16", 0), "stride must be 1 or more, found 0; 1 keeps height and width."),
    ("DMSA", 64, (0,), "channels, groups and stride must be 1 or more, found 64, 0 and 1; groups is usually 2."),
    ("DMSA", 66, (2,), "66 channels cannot be split into 2 groups of two halves; the nearest widths that fit are 64 and 68."),
    ("DMSA", 64, (2, "max"), "there is no fusion 'max'; write concat, sum."),
    ("DMSA", 64, (2, "sum", "layer"), "there is no norm 'layer'; write instance, batch, group, switchable."),
    ("DMSA", 64, (2, "sum", "batch", "linear"), "there is no fc 'linear'; write affine, none, conv1x1."),
    ("EMANoCross", 72, (32,), "72 channels cannot be split into 32 groups; the nearest factors that fit are 24 and 36."),
    ("EMANoCross", 64, (0,), "channels and factor must be 1 or more, found 64 and 0; factor is usually 32."),
    ("AAConv", 64, (0,), "channels, heads and stride must be 1 or more, found 64, 0 and 1; heads is usually 8."),
    ("AAConv", 64, (8, 1), "size must be 2 or more, found 1; use 0 for that of a ResNet."),
    ("AAConv", 8, (), "8 heads leave no channels of 8 to the convolution; use at most 7 heads."),
    ("DoubleAttention", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("DoubleAttention", 8, (9,), "reduction 9 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 2."),
    ("NonLocal", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("NonLocal", 8, (0,), "reduction 0 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 2."),
    ("SE", 8, (16,), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("BAM", 8, (16,), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("GAM", 8, (16,), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("GC", 8, (16,), "reduction 16 leaves no bottleneck in 8 channels; it must be from 1 to 8, usually 16."),
    ("FCA", 16, (32, 16), "reduction 32 leaves no bottleneck in 16 channels; it must be from 1 to 16, usually 16."),
    ("SE", 64, (-1,), "reduction -1 leaves no bottleneck in 64 channels; it must be from 1 to 64, usually 16."),
    ("SE", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("NAM", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("SRM", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("GC", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("FCA", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("TripletAttention", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("BAM", 0, (), "channels and dilation must be 1 or more, found 0 and 4; dilation is usually 4."),
    ("BAM", 64, (16, 0), "channels and dilation must be 1 or more, found 64 and 0; dilation is usually 4."),
    ("TripletAttention", 64, (6,), "kernel_size must be odd and positive, found 6; the paper's is 7."),
    ("TripletAttention", 64, (-1,), "kernel_size must be odd and positive, found -1; the paper's is 7."),
    ("GAM", 64, (16, 0), "channels and groups must be 1 or more, found 64 and 0; groups is 1 or 4."),
    ("GAM", 64, (16, 1, False, False), "by_channel and by_pixel are both False, which leaves no gate; use at least one."),
    ("GAM", 96, (16, 4), "96 channels and a bottleneck of 6 cannot be split into 4 groups; the nearest number below that fits is 3."),
    ("FCA", 72, (), "72 channels cannot be split over 16 frequencies; what fits is 1, 2, 4, 8."),
    ("FCA", 64, (16, 3), "64 channels cannot be split over 3 frequencies; what fits is 1, 2, 4, 8, 16."),
    ("SGE", 72, (64,), "72 channels cannot be split into 64 groups; the nearest numbers that fit are 36 and 72."),
    ("SGE", 16, (64,), "16 channels cannot be split into 64 groups; the nearest number that fits is 16."),
    ("SGE", 64, (0,), "channels and groups must be 1 or more, found 64 and 0; groups is usually 64."),
    ("SimAM", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("SimAM", 64, (0.0,), "regularization must be above 0, found 0.0; the paper's is 1e-4."),
    ("ELA", 64, (6,), "kernel_size must be odd and positive, found 6; the paper's is 5 or 7."),
    ("ELA", 60, (7, 8, 4), "60 channels cannot be split into groups of 8 channels; the nearest widths that fit are 56 and 64."),
    ("ELA", 72, (), "72 channels cannot be split into 16 groups; the nearest numbers that fit are 12 and 18."),
    ("MLCA", 64, (0,), "channels and bins must be 1 or more, found 64 and 0; bins is usually 5."),
    ("MLCA", 64, (5, 1.5), "local_weight must be from 0 to 1, found 1.5; the authors' is 0.5."),
    ("CAA", 64, (4,), "kernel_size must be odd and positive, found 4; the paper's is 11."),
    ("MCA", 0, (), "channels must be 1 or more, found 0; give the width of the feature map."),
    ("LSKA", 64, (11, 0), "channels and dilation must be 1 or more, found 64 and 0; dilation is 2 or 3."),
    ("LSKA", 64, (12, 3), "kernel_size // dilation must be odd and positive, found 4; write 11 with 2, or 23 with 3."),
]
# fmt: on


@pytest.mark.parametrize(("name", "channels", "args", "message"), REFUSED)
def test_a_refused_argument_is_named_with_the_way_out(name, channels, args, message):
    with pytest.raises(ValueError) as error:
        LAYERS[name](channels, *args)
    assert str(error.value) == f"{name}: {message}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("SE2",), "ReZero: there is no layer 'SE2' that reads a single feature map; known are "),
        (("ReZero",), "ReZero: there is no layer 'ReZero'"),
        (("EMA", 7), "EMA: 128 channels cannot be split into 7 groups"),
    ],
)
def test_a_gain_refuses_what_it_cannot_hold(arguments, message):
    with pytest.raises(ValueError, match=message):
        LAYERS["ReZero"](128, *arguments)


def test_a_gain_starts_as_the_identity_and_hands_arguments_on():
    layer = LAYERS["ReZero"](128, "EMA", 8)
    x = torch.rand(2, 128, 5, 6)
    assert layer.layer.factor == 8
    torch.testing.assert_close(layer(x), x, rtol=0, atol=0)
