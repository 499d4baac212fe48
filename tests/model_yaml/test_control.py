"""The parameter-matched control: the layer, and the model YAML in which it stands for attention."""

import pytest
import torch
import yaml
from ultralytics.nn import tasks

from yolo_attn.checking.check import check
from yolo_attn.layers import LAYERS
from yolo_attn.layers.pointwise_control import PointwiseControl
from yolo_attn.model_yaml import edit, rows
from yolo_attn.model_yaml.control import control, has_attention
from yolo_attn.plugin.files import find


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("layer", "arguments", "matched", "expected"),
    [  # at 512 channels, the counts of tests/layers/test_counts.py; the square next to them
        ("EMA", (32,), 2_624, 51**2),
        ("CA", (32,), 25_648, 160**2),
        ("CBAM", (16,), 32_866, 181**2),
        ("ECA", (), 5, 2**2),
        ("SA", (64,), 24, 5**2),
    ],
)
def test_the_control_has_the_nearest_square_number_of_parameters(layer, arguments, matched, expected):
    assert parameters(LAYERS[layer](512, *arguments)) == matched
    assert parameters(PointwiseControl(512, layer, *arguments)) == expected


def test_the_control_never_mixes_more_channels_than_there_are():
    assert parameters(LAYERS["DMSA"](32)) > 32 * 32
    assert parameters(PointwiseControl(32, "DMSA")) == 32 * 32


def test_counting_draws_no_random_number():
    def weight(build):
        torch.manual_seed(3)
        return build()

    alone = weight(lambda: torch.nn.Conv2d(51, 51, 1, bias=False).weight)
    assert torch.equal(weight(lambda: PointwiseControl(512, "EMA", 32).conv.weight), alone)


@pytest.mark.parametrize("layer", ["EMCA", "PointwiseControl", "EMU"])
def test_what_cannot_be_matched_is_refused(layer):
    with pytest.raises(ValueError, match=f"there is no layer '{layer}' that reads a single feature map"):
        PointwiseControl(64, layer)


@pytest.mark.parametrize(
    "name", ["yolov5n-ema.yaml", "yolov5n-p2-cbam.yaml", "yolov5n-p2-eca.yaml", "yolo11n-ema.yaml"]
)
def test_every_attention_row_and_no_other_is_replaced(name):
    text = find(name).read_text(encoding="utf-8")
    old, new = rows.parse(text), rows.parse(control(text))
    assert [row.sources for row in new] == [row.sources for row in old]
    for before, after in zip(old, new, strict=True):
        replaced = before.module in LAYERS
        assert after.module == ("PointwiseControl" if replaced else before.module)
        assert after.args == ([before.module, *before.args] if replaced else before.args)
    assert [finding for finding in check(control(text)) if finding.level == "error"] == []


def test_a_model_and_its_control_differ_by_less_than_two_in_a_hundred_of_the_attention():
    text = find("yolov5s-p2-cbam.yaml").read_text(encoding="utf-8")
    counts = []
    for version in (text, control(text), edit.strip(text)):
        with torch.device("meta"):
            network, _ = tasks.parse_model({**yaml.safe_load(version), "nc": 10, "scale": "s"}, 3, verbose=False)
        counts.append(parameters(network))
    attention, controlled, plain = counts
    assert abs(controlled - attention) < 0.02 * (attention - plain)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("- [-1, 1, CBAM, [16, 7, True]] # 9", "- [-1, 1, PointwiseControl, [CBAM, 16, 7, True]] # 9"),
        ("- [-1, 2, ECA, []]", "- [-1, 2, PointwiseControl, [ECA]]"),
        ("- [-2, 1, ReZero, [EMA, 8]]", "- [-2, 1, PointwiseControl, [ReZero, EMA, 8]]"),
    ],
)
def test_sources_repeats_arguments_and_comments_are_kept(written, expected):
    text = "backbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n  - [-1, 1, Conv, [64, 3, 2]]\n  {}\nhead:\n  - [-1, 1, Detect, [nc]]\n"
    assert control(text.format(written)) == text.format(expected)


def test_a_model_without_attention_has_no_control():
    text = find("yolov5n.yaml").read_text(encoding="utf-8")
    assert not has_attention(text)
    with pytest.raises(ValueError, match="no attention layer"):
        control(text)


def test_a_layer_that_joins_rows_has_no_control():
    text = find("cfg/resnet50-emca-yolov3.yaml").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="it has no control"):
        control(text)
