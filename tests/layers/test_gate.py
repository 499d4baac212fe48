"""What a layer multiplies by: the method `gate` against `forward`, and the layers that have none."""

import pytest
import torch

from tests.layers.inputs import drawn, randomised
from tests.layers.test_contract import SHAPES, built, feature_maps_of, shapes
from tests.tolerance import TOLERANCE
from yolo_attn.layers import LAYERS, is_multi_source

VARIANTS = [
    ("BAM", (16, 4, True)),
    ("CBAM", (16, 7, True)),
    ("EMA", (8,)),
    ("EMANoCross", (8,)),
    ("GAM", (16, 4)),
    ("GAM", (16, 1, True, False)),
    ("GAM", (16, 1, False, True)),
    ("MCA", (False,)),
    ("NAM", (True,)),
    ("ReZero", ("CA",)),
    ("SA", (2,)),
    ("SGE", (4,)),
]


def multiplied(layer, x):
    """The input by the gate, as the contract says."""
    product = (x[0] if isinstance(x, list) else x) * layer.gate(x)
    return layer.shuffled(product) if hasattr(layer, "shuffled") else product


def test_every_layer_has_a_gate_or_says_why_it_has_none():
    without = {name for name, layer in LAYERS.items() if not hasattr(layer, "gate")}
    assert without == {name for name, layer in LAYERS.items() if isinstance(getattr(layer, "no_gate", None), str)}


@shapes
@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if hasattr(layer, "gate")])
def test_the_input_by_the_gate_is_the_output(name, shape):
    layer, x = built(name), drawn(shape)
    if is_multi_source(LAYERS[name]):
        layer, x = layer.layer, feature_maps_of(x)
    torch.testing.assert_close(multiplied(layer, x), layer(x), **TOLERANCE[torch.float64])
    with torch.no_grad():
        torch.testing.assert_close(multiplied(layer, x), layer(x), **TOLERANCE[torch.float64])


@pytest.mark.parametrize(("name", "arguments"), VARIANTS)
def test_the_input_by_the_gate_is_the_output_of_every_variant_to_1e_6(name, arguments):
    layer, x = randomised(LAYERS[name](64, *arguments)).eval(), drawn((2, 64, 6, 9), torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(multiplied(layer, x), layer(x), rtol=1e-6, atol=1e-6)


def test_a_gate_is_read_where_the_input_is_0():
    layer, x = randomised(LAYERS["EMA"](64, 8)).eval(), drawn(SHAPES[0])[:, :64]
    x[:, :, 2] = 0
    gate = layer.gate(x)
    assert gate.isfinite().all() and (gate[:, :, 2] > 0).all() and (layer(x)[:, :, 2] == 0).all()


@pytest.mark.parametrize(
    ("layer", "reason"),
    [("SE", ""), ("SA", "adds shuffled channels"), ("GC", "adds to channels")],
)
def test_rezero_has_a_gate_where_its_layer_multiplies(layer, reason):
    assert LAYERS["ReZero"](128, layer).no_gate == reason
