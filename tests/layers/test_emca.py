"""EMCA's three excitations on one to five sources. The contract tests see the first excitation on three."""

import pytest
import torch

from tests.layers.inputs import assert_equal_with_gradients, drawn, forward_and_gradients, randomised, state_of
from tests.reference.emca import emca
from tests.tolerance import TOLERANCE
from yolo_attn.layers.emca import EMCA

WIDTHS = [[48], [48, 48], [48, 24, 48], [48, 20, 12, 6, 48]]
excitations = pytest.mark.parametrize("excitation", ["se", "eca", "srm"])


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@excitations
@pytest.mark.parametrize("widths", WIDTHS, ids=lambda widths: "-".join(map(str, widths)))
def test_forward_and_gradients_equal_the_reference(excitation, widths, training):
    layer = randomised(EMCA(widths, excitation)).double().train(training)
    earlier = [drawn((2, width, 3 + place, 9 - place)) for place, width in enumerate(widths[1:])]
    x, state = drawn((2, widths[0], 4, 5)), state_of(layer)
    assert_equal_with_gradients(
        lambda x: layer([x, *earlier]), lambda x: emca([x, *earlier], state), x, layer.parameters()
    )


@pytest.mark.parametrize(("excitation", "own"), [("se", 48 * 48 // 8), ("eca", 3), ("srm", 4 * 48)])
@pytest.mark.parametrize("widths", WIDTHS, ids=lambda widths: f"{len(widths)} sources")
def test_the_mixing_kernel_adds_one_parameter_per_source_and_none_for_one(excitation, own, widths):
    count = sum(parameter.numel() for parameter in EMCA(widths, excitation).parameters())
    assert count == own + (len(widths) if len(widths) > 1 else 0)


# (log2(C) + 1) / 2 is 2.5, 3.5, 4, 5, 5.5 and 6; an even whole part becomes the next odd number.
@pytest.mark.parametrize(("channels", "kernel_size"), [(16, 3), (64, 3), (128, 5), (512, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_eca_grows_with_the_logarithm_of_the_width(channels, kernel_size):
    layer = EMCA([channels, channels], "eca")
    assert (layer.conv.kernel_size, layer.conv.padding) == ((kernel_size,), (kernel_size // 2,))


@excitations
def test_a_map_of_one_value_per_channel_has_finite_gradients(excitation):
    layer = randomised(EMCA([16, 16], excitation)).double().eval()
    x = torch.ones(2, 16, 1, 1, dtype=torch.float64)
    assert all(
        part.isfinite().all() for part in forward_and_gradients(lambda x: layer([x, x]), x, list(layer.parameters()))
    )


def test_one_image_is_trained_with_the_running_statistics():
    layer = randomised(EMCA([16, 16], "srm"))
    maps = [drawn((1, 16, 4, 5), torch.float32)] * 2
    torch.testing.assert_close(layer.train()(maps), layer.eval()(maps), **TOLERANCE[torch.float32])
