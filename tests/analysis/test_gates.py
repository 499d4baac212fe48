"""What attention layers multiply by: gates that are known, and what they are on objects, in each image and in a whole network."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from yolo_attn.analysis import Gates, gate_page, gates
from yolo_attn.analysis.attention_layers import attention_layers
from yolo_attn.analysis.objects import Objects
from yolo_attn.layers import LAYERS


class Fixed(nn.Module):
    """x (B, C, H, W) -> x * factor, factor (C, 1, 1), (1, H, W) or (C, H, W) given."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.as_tensor(factor, dtype=torch.float32))

    def gate(self, x):
        return self.factor.expand(len(x), *self.factor.shape)

    def forward(self, x):
        return x * self.factor


class Brightness(nn.Module):
    """x (B, C, H, W) -> x * x: the gate is the input itself."""

    def gate(self, x):
        return x

    def forward(self, x):
        return x * x


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(LAYERS, "Fixed", Fixed)
    monkeypatch.setitem(LAYERS, "Brightness", Brightness)


def by_channel(*factors):
    return Fixed(torch.tensor(factors)[:, None, None])


def gates_of(*layers: nn.Module, images: torch.Tensor, **labels) -> Gates:
    return gates(nn.Sequential(*layers), [{"img": images, **labels}], show=len(images))


def test_a_fixed_gate_has_a_known_distribution_even_where_the_input_is_0():
    (layer,) = gates_of(by_channel(0.0, 0.25, 0.5, 1.0), images=torch.zeros(2, 4, 3, 3)).layers
    values = layer.values
    assert (layer.layer, layer.kind, layer.reason, layer.size, values.form) == ("0", "Fixed", "", (3, 3), "channel")
    assert (values.mean, values.lowest, values.highest) == (0.4375, 0, 1)
    # Deviations from 0.4375: 0.4375, 0.1875, 0.0625 and 0.5625; their mean square is 0.13671875.
    assert values.deviation == pytest.approx(math.sqrt(0.13671875))
    assert (values.near_0, values.near_half, values.near_1) == (0.25, 0.25, 0.25)
    assert sum(values.counts) == 8 and (values.below, values.above) == (0, 0)
    assert values.channel_mean == (0, 0.25, 0.5, 1)


def test_values_outside_the_bins_are_counted_beside_them():
    values = gates_of(by_channel(-3.0, 0.5, 7.0), images=torch.ones(1, 3, 2, 2)).layers[0].values
    assert (values.below, values.above, sum(values.counts)) == (1, 1, 1)
    assert (values.lowest, values.highest) == (-3, 7)


def test_a_gate_that_does_not_depend_on_the_image_is_a_constant_however_it_varies_over_pixels():
    images = torch.rand(4, 2, 3, 3)
    fixed, bright = gates_of(Fixed(torch.rand(2, 3, 3)), Brightness(), images=images).layers
    assert fixed.values.over_images == 0 and fixed.values.constant and fixed.values.deviation > 0.1
    assert fixed.values.form == "channel and pixel"
    assert not bright.values.constant


def test_the_deviation_over_images_is_taken_at_each_channel_and_pixel():
    """Two batches of unequal size, feature maps of two sizes: 1, 2, 3 at one, 0 and 4 at the other, the same at every pixel."""
    batches = [
        {"img": torch.tensor([1.0, 2.0])[:, None, None, None].expand(2, 1, 2, 2)},
        {"img": torch.full((1, 1, 2, 2), 3.0)},
        {"img": torch.tensor([0.0, 4.0])[:, None, None, None].expand(2, 1, 1, 3)},
    ]
    found = gates(nn.Sequential(Brightness()), batches)
    values = found.layers[0].values
    assert found.images == 5
    # Of 18 values, 12 have the variance 2/3 and 6 the variance 4; all 18 together have the mean 2.
    assert values.over_images == pytest.approx(math.sqrt((12 * 2 / 3 + 6 * 4) / 18))
    assert values.mean == pytest.approx(2) and values.deviation == pytest.approx(values.over_images)


def test_one_image_alone_does_not_tell_a_constant():
    values = gates_of(Brightness(), images=torch.rand(1, 1, 2, 2)).layers[0].values
    assert math.isnan(values.over_images) and not values.constant


def test_memory_does_not_grow_with_the_number_of_images():
    from yolo_attn.analysis.recording import Recording

    def kept(number: int) -> int:
        network = nn.Sequential(Brightness())
        with torch.inference_mode(), Recording(network) as recording:
            for _ in range(number):
                batch = {"img": torch.rand(2, 3, 8, 8)}
                recording.begin(batch)
                network(batch["img"])
        return len(pickle.dumps((recording.values, recording.pictures)))

    assert abs(kept(2) - kept(200)) < 100  # a count has more digits


def test_gates_inside_and_outside_of_boxes_by_class_and_size():
    """A gate of 1 in the left half of an 8 x 8 map, 0 in the right; a box on each side, one of them half over the border."""
    factor = torch.zeros(1, 8, 8)
    factor[:, :, :4] = 1
    labels = {
        # Pixels 0 to 1 of either axis; columns 3 and 4 of all rows.
        "bboxes": torch.tensor([[1 / 8, 1 / 8, 2 / 8, 2 / 8], [0.5, 0.5, 2 / 8, 1.0]]),
        "cls": torch.tensor([[3.0], [5.0]]),
        "batch_idx": torch.tensor([0.0, 0.0]),
    }
    network = nn.Sequential(nn.AvgPool2d(32), Fixed(factor))
    network.names = {3: "car", 5: "bus"}
    regions = gates(network, [{"img": torch.ones(1, 1, 256, 256), **labels}]).layers[0].regions
    # Outside of both: 64 - 4 - 16 pixels, 20 of them on the left.
    outside = 20 / 44
    assert (regions.images, regions.inside) == (1, 12 / 20) and regions.outside == pytest.approx(outside)
    assert regions.difference == pytest.approx(12 / 20 - outside)
    car, bus = regions.by_class["car"], regions.by_class["bus"]
    assert (car.objects, car.mean, bus.mean) == (1, 1, 0.5)
    assert car.difference == pytest.approx(1 - outside) and bus.difference == pytest.approx(0.5 - outside)
    # 64 x 64 pixels of the input, and 64 x 256.
    assert {size: kind.objects for size, kind in regions.by_size.items()} == {"medium": 1, "large": 1}


def test_a_batch_without_objects_has_gates_and_no_regions():
    nothing = {"bboxes": torch.zeros(0, 4), "cls": torch.zeros(0, 1), "batch_idx": torch.zeros(0)}
    (layer,) = gates_of(Fixed(torch.rand(1, 4, 4)), images=torch.ones(2, 1, 4, 4), **nothing).layers
    assert (layer.regions.images, layer.regions.by_class, sum(layer.values.counts)) == (0, {}, 32)


def test_padding_is_not_outside_of_boxes():
    """Two of eight columns on either side are padding, where the gate is 9."""
    factor = torch.full((1, 8, 8), 9.0)
    factor[:, :, 2:6] = 0.25
    labels = {"bboxes": torch.tensor([[0.5, 0.5, 0.25, 0.25]]), "cls": torch.tensor([[0]]), "batch_idx": torch.zeros(1)}
    images = torch.ones(1, 1, 8, 8)
    (layer,) = gates_of(Fixed(factor), images=images, ratio_pad=[((1, 1), (2, 0))], **labels).layers
    assert (layer.regions.inside, layer.regions.outside) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0.5, 0.5, 0.5, 0.25], {(1, 1), (1, 2), (2, 1), (2, 2)}),  # centres 0.5, 1.5, ...: rows 1.5 and 2.5
        ([0.05, 0.95, 0.01, 0.01], {(3, 0)}),  # smaller than a pixel: the nearest
        ([1.0, 0.5, 0.5, 0.25], {(1, 3), (2, 3)}),  # over the border
    ],
)
def test_a_pixel_is_in_a_box_if_its_centre_is(box, expected):
    objects = Objects(np.array([box]), np.array([0]), (64, 64))
    ((rows, columns, mask),) = objects.masks(4, 4)
    assert mask is None
    assert {(y, x) for y in range(4)[rows] for x in range(4)[columns]} == expected


def test_an_oriented_box_covers_its_own_pixels_only():
    """A bar of 8 x 1 pixels at 45 degrees through the middle of 8 x 8: the diagonal."""
    objects = Objects(np.array([[4.0, 4.0, 8.0, 1.0, math.pi / 4]]), np.array([0]), (8, 8))
    ((rows, columns, mask),) = objects.masks(8, 8)
    covered = np.zeros((8, 8), bool)
    covered[rows, columns] = mask
    assert np.argwhere(covered).tolist() == [
        [k, k] for k in range(1, 7)
    ]  # 8 along the diagonal are 5.7 pixels of an axis
    along = np.array([math.cos(math.pi / 4), math.sin(math.pi / 4)])
    np.testing.assert_allclose(objects.corners()[0][1:3].mean(0), [4, 4] + 4 * along)


def test_the_classes_of_whole_images_are_told_apart():
    images = torch.tensor([0.25, 0.75, 1.0])[:, None, None, None].expand(3, 2, 2, 2)
    network = nn.Sequential(Brightness())
    regions = gates(network, [{"img": images, "cls": torch.tensor([0, 1, 1])}]).layers[0].regions
    assert {name: (kind.objects, kind.mean) for name, kind in regions.by_class.items()} == {
        "0": (1, 0.25),
        "1": (2, 0.875),
    }
    assert regions.images == 0 and math.isnan(regions.difference)


def test_a_layer_that_adds_shows_its_change_and_says_so():
    layer = LAYERS["GC"](16).eval()
    x = torch.rand(3, 16, 4, 4)
    (found,) = gates_of(layer, images=x).layers
    with torch.no_grad():
        change = (layer(x) - x) / x.square().mean((1, 2, 3), keepdim=True).sqrt()
    assert found.reason == "adds to channels"
    assert found.values.mean == pytest.approx(float(change.mean()), abs=1e-6)
    assert found.values.lowest == pytest.approx(float(change.min()), abs=1e-6)


def test_a_layer_that_changes_the_size_is_left_out_and_said():
    found = gates_of(
        LAYERS["EPSA"](64, 16, "3 5 7 9", "1 4 8 16", 2), LAYERS["ECA"](64), images=torch.rand(1, 64, 8, 8)
    )
    assert [layer.layer for layer in found.layers] == ["1"]
    assert found.left_out == {"0": "convolves channels and changes the size of the feature map"}


@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if hasattr(layer, "gate")])
def test_reading_the_gates_leaves_the_output_as_it_is(name):
    from yolo_attn.analysis.recording import Recording

    layer, x = LAYERS[name]([128, 64] if name == "EMCA" else 128).eval(), torch.rand(2, 128, 6, 6)
    inputs = [x, 1 - x[:, :64]] if name == "EMCA" else x
    with torch.inference_mode():
        expected = layer(inputs)
        with Recording(layer) as recording:
            recording.begin({"img": x})
            found = layer(inputs)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert recording.values[""].sizes == ((6, 6),)
    assert "forward" not in vars(layer)


def test_layers_inside_blocks_are_found_and_those_inside_layers_are_not():
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 64, 1), LAYERS["SE"](64)), LAYERS["ReZero"](64, "EMA"))
    assert list(attention_layers(network)) == ["0.1", "1"]
    rezero = gates(network, [{"img": torch.rand(2, 3, 8, 8)}]).layers[1].values
    assert (rezero.lowest, rezero.highest) == (1, 1)


def test_the_first_layer_of_each_stage_is_the_first_at_its_size():
    found = gates_of(by_channel(0.1), by_channel(0.2), nn.MaxPool2d(2), by_channel(0.3), images=torch.ones(1, 1, 4, 4))
    assert [layer.layer for layer in found.layers] == ["0", "1", "3"]
    assert [layer.layer for layer in found.first_of_stages().layers] == ["0", "3"]


def test_the_page_shows_a_title_as_it_is_and_fits_a_phone():
    page = gate_page.page(gates_of(by_channel(0.1, 0.5, 0.9), images=torch.rand(1, 3, 4, 4)), "DATA <BOX>")
    assert "<h1>DATA &lt;BOX&gt;: mean over channels</h1>" in page
    assert '<meta name="viewport" content="width=device-width' in page


def test_a_gate_that_is_not_what_forward_multiplies_by_is_refused():
    class Wrong(Fixed):
        def gate(self, x):
            return super().gate(x) + 0.01

    LAYERS["Wrong"] = Wrong
    try:
        with pytest.raises(ValueError, match=r"Wrong: x \* gate\(x\) differs from its output"):
            gates_of(Wrong(torch.ones(1, 1, 1)), images=torch.ones(1, 1, 2, 2))
    finally:
        del LAYERS["Wrong"]


def test_a_layer_of_users_whose_gate_is_a_module_shows_its_change(monkeypatch):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Identity()

        def forward(self, x):
            return 1.5 * x

    monkeypatch.setitem(LAYERS, "Own", Own)
    (layer,) = gates_of(Own(), images=torch.ones(1, 1, 2, 2)).layers
    assert layer.reason == "has no method `gate`" and layer.values.mean == 0.5


@pytest.mark.parametrize(
    ("layer", "images", "expected"),
    [
        (nn.Conv2d(1, 1, 1), 1, "the model has no attention layer; known are AAConv, BAM, "),
        (by_channel(math.nan), 1, "0: has values that are not finite; the training of this model has diverged"),
        (by_channel(0.5), 0, "there is no image to read gates from"),
    ],
)
def test_what_shows_nothing_is_refused(layer, images, expected):
    with pytest.raises(ValueError, match=expected):
        gates(nn.Sequential(layer), [{"img": torch.ones(1, 1, 2, 2)}] * images)
