"""Channel gates of attention layers: gates that are known, and layers that have none."""

import csv
import json
import math

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from tests.analysis.test_rotation import checkpoint, draw, yaml
from yolo_attn.analysis import channel_gates
from yolo_attn.analysis.trained_classifier import TrainedClassifier
from yolo_attn.cli import app
from yolo_attn.layers import LAYERS


class Fixed(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (C,) given."""

    def __init__(self, *gates: float):
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(gates)[:, None, None])

    def forward(self, x):
        return x * self.gate


@pytest.fixture
def fixed(monkeypatch):
    monkeypatch.setitem(LAYERS, "Fixed", Fixed)


def gates_of(*layers: nn.Module, images: torch.Tensor) -> channel_gates.ChannelGates:
    network = nn.Sequential(*layers).eval()
    classifier = TrainedClassifier(network=network, names=(), imgsz=images.shape[-1])
    return channel_gates.measure(classifier, [{"img": image[None]} for image in images])


def test_the_gate_is_the_mean_of_output_by_input_where_there_is_an_input():
    x = torch.tensor([[[[1.0, -2.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 1e-7], [-1.0, 1.0]]]])
    out = torch.tensor([[[[0.5, -0.5], [9.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.5, 9.0], [0.5, 0.0]]]])
    # 1/2, 1/4 and 3/4 in the first channel; nothing in the second; 1/2, -1/2 and 0 in the third, without 9 / 1e-7.
    torch.testing.assert_close(
        channel_gates.channel_gates(x, out)[0], torch.tensor([0.5, math.nan, 0]).double(), equal_nan=True
    )


def test_a_fixed_gate_has_a_known_histogram(fixed):
    """Three channels of 4 x 4 by 0.25, 0.5 and 0.5, then of 2 x 2 by -1, 1.5 and 3, in two images; one channel of the second is 0."""
    images = torch.randint(1, 9, (2, 3, 4, 4)).float()  # whole numbers: the quotients are exact
    images[1, 1] = 0
    measured = gates_of(Fixed(0.25, 0.5, 0.5), nn.MaxPool2d(2), Fixed(-1.0, 1.5, 3.0), images=images)
    assert measured.images == 2 and not measured.left_out
    first, second = measured.stages
    assert (first.size, first.layers, first.channels, first.gates, first.without_gate) == ((4, 4), ("0",), 3, 5, 1)
    assert {index: count for index, count in enumerate(first.counts) if count} == {
        12: 2,
        25: 3,
    }  # 0.24 to 0.26, 0.5 to 0.52
    assert (first.below, first.above, first.lowest, first.highest) == (0, 0, 0.25, 0.5)
    assert first.mean == pytest.approx(0.4) and first.deviation == pytest.approx(
        math.sqrt(0.015)
    )  # 2 of 0.25, 3 of 0.5
    assert (second.size, second.layers, second.below, second.above) == ((2, 2), ("2",), 2, 2)
    assert {index: count for index, count in enumerate(second.counts) if count} == {75: 1}  # 1.5 to 1.52
    layer = measured.layers[0]
    assert (layer.layer, layer.kind, layer.images.tolist(), layer.mean.tolist()) == (
        "0",
        "Fixed",
        [2, 1, 2],
        [0.25, 0.5, 0.5],
    )
    assert layer.deviation.tolist() == [0, 0, 0]


def test_layers_on_feature_maps_of_one_size_are_one_stage(fixed):
    (stage,) = gates_of(Fixed(0.25, 0.75), Fixed(0.5, 0.5), images=torch.ones(3, 2, 4, 4)).stages
    assert (stage.layers, stage.channels, stage.gates, stage.mean) == (("0", "1"), 4, 12, 0.5)
    assert stage.deviation == pytest.approx(math.sqrt(2 / 64))  # 0, 0 and twice 1/4 away from the mean


def test_a_channel_without_any_gate_does_not_touch_the_others(fixed):
    images = torch.ones(2, 2, 4, 4) * torch.tensor([0.0, 1.0])[:, None, None]
    measured = gates_of(Fixed(0.5, 0.25), images=images)
    assert measured.layers[0].images.tolist() == [0, 2] and math.isnan(measured.layers[0].mean[0])
    assert (measured.stages[0].mean, measured.stages[0].without_gate) == (0.25, 2)


def test_a_feature_map_of_zeros_has_no_gates_at_all(fixed):
    (stage,) = gates_of(Fixed(0.5), images=torch.zeros(2, 1, 4, 4)).stages
    assert (stage.gates, stage.without_gate, stage.counts) == (0, 2, (0,) * 100)
    assert all(math.isnan(value) for value in (stage.mean, stage.deviation, stage.lowest, stage.highest))


@pytest.mark.parametrize("name", ["ECA", "SE", "SRM", "NAM", "CA", "CBAM", "EMA", "SGE", "TripletAttention", "FCA"])
def test_the_gates_of_a_sigmoid_lie_between_0_and_1(name):
    (stage,) = gates_of(LAYERS[name](64), images=torch.randn(2, 64, 8, 8)).stages
    assert stage.gates == 128 and 0 < stage.lowest <= stage.highest < 1


def test_rezero_multiplies_by_1_before_training_and_hides_the_layer_in_it():
    measured = gates_of(LAYERS["ReZero"](64, "EMA"), images=torch.randn(2, 64, 8, 8))
    assert [layer.kind for layer in measured.layers] == ["ReZero"]
    assert (measured.stages[0].lowest, measured.stages[0].highest) == (1, 1)


def test_a_layer_of_several_sources_gates_the_first():
    class TwoSources(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = LAYERS["EMCA"]([32, 32])

        def forward(self, x):
            return self.attention([x, 100 * x])

    measured = gates_of(TwoSources(), images=torch.rand(2, 32, 4, 4))
    assert measured.layers[0].layer == "0.attention" and 0 < measured.stages[0].lowest <= measured.stages[0].highest < 1


def test_what_gates_no_channels_is_left_out_and_said():
    measured = gates_of(
        LAYERS["GC"](64), LAYERS["ReZero"](64, "SA", 8), LAYERS["ECA"](64), images=torch.rand(1, 64, 4, 4)
    )
    assert measured.left_out == {"0": "adds to channels", "1": "shuffles channels"}
    assert [layer.layer for layer in measured.layers] == ["2"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(64, 64, 1), "the model has no attention layer; known are BAM, CA, "),
        (LAYERS["GC"](64), "no attention layer of the model gates channels: GC adds to channels"),
        (nn.Sequential(LAYERS["NAM"](64).requires_grad_(False)), "0.0: has values that are not finite"),
    ],
    ids=["none", "no gate", "diverged"],
)
def test_a_model_without_gates_is_refused(layer, expected):
    for norm in layer.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.fill_(math.nan)
    with pytest.raises(ValueError, match=expected):
        gates_of(layer, images=torch.rand(1, 64, 4, 4))


def test_no_hook_stays_behind(fixed):
    layer = Fixed(0.5)
    gates_of(layer, images=torch.rand(1, 1, 4, 4))
    assert not layer._forward_hooks


@pytest.mark.parametrize(
    ("row", "kind", "layers"),
    [("[18, ECA]", "ECA", [2, 2, 2, 2]), ("[18, EMCA(srm), first]", "EMCA", [1, 1, 1, 1])],
)
def test_the_command_prints_the_stages_of_a_resnet_and_writes_them(tmp_path, row, kind, layers):
    data, out = draw(tmp_path / "data", dark=20, light=200), tmp_path / "out"
    file = checkpoint(tmp_path, yaml(row), imgsz=64)
    done = CliRunner().invoke(app, ["gates", "--model", str(file), "--data", str(data), "--out", str(out)])
    assert done.exit_code == 0, done.output
    record = json.loads((out / "gates.json").read_text())
    stages, width = record["stages"], dict(zip((16, 8, 4, 2), (64, 128, 256, 512), strict=True))
    assert [stage["size"] for stage in stages] == [[side, side] for side in width]
    assert [len(stage["layers"]) for stage in stages] == layers
    assert all(f"│ {side} x {side}" in done.stdout for side in width)
    assert [stage["gates"] + stage["without_gate"] for stage in stages] == [
        4 * count * channels for count, channels in zip(layers, width.values(), strict=True)
    ]
    rows = list(csv.DictReader((out / "gates.csv").open()))
    assert {row["kind"] for row in rows} == {kind}
    assert len(rows) == sum(count * channels for count, channels in zip(layers, width.values(), strict=True))
    assert np.ptp(cv2.imread(str(out / "gates.png"))) > 0
