"""What `check` finds, each case a small model with one thing wrong."""

import json
from pathlib import Path

import pytest
import torch
import torchvision
import ultralytics
import yaml
from ultralytics.nn.modules import Conv

from yolo_attn.checking.check import check
from yolo_attn.model_yaml import edit
from yolo_attn.plugin.files import find

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
RIGHT = """\
nc: 3
scales:
  n: [1.0, 0.25, 1024]
  s: [1.0, 0.50, 1024]
backbone:
  - [-1, 1, Conv, [64, 3, 2]] # 0-P1/2
  - [-1, 1, Conv, [128, 3, 2]] # 1-P2/4
  - [-1, 1, EMA, [8]] # 2
  - [-1, 1, Conv, [128, 3, 2]] # 3
head:
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]] # 4
  - [[-1, 2], 1, Concat, [1]] # 5
  - [[5, 3], 1, Detect, [nc]] # 6
"""


def findings(text: str) -> list[str]:
    return [str(finding) for finding in check(text)]


def test_nothing_is_found_in_a_right_model():
    assert findings(RIGHT) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[-1, 2], 1, Concat", "[[-1, 1], 1, Concat", "warning: row 5: Concat reads row 1 past EMA, which is row 2"),
        ("[[5, 3], 1, Detect", "[[1, 3], 1, Detect", "error: row 6: Detect reads row 1 past EMA, which is row 2"),
        ("# 3\n", "# 4\n", "warning: row 3: its comment says row 4"),
        (
            "EMA, [8]",
            "EMA, [12]",
            "error: row 2: does not build: EMA: 32 channels cannot be split into 12 groups; the nearest factors that fit are 8 and 16.",
        ),
        ("EMA, [8]", "EMA, [32]", None),
        (
            "EMA, [8]",
            "EMA, [64]",
            "error: row 2: does not build: EMA: 32 channels cannot be split into 64 groups; the nearest factor that fits is 32.",
        ),
        ("EMA, [8]", "EMMA, [8]", "error: row 2: there is no layer EMMA; did you mean EMA?"),
        ("EMA, [8]", "Kernel, [8]", "error: row 2: there is no layer Kernel"),
        ("EMA, [8]", "EMA, [a]", "error: row 2: does not build: 'a' does not fit factor of EMA(factor: int = 32)"),
        ("[[-1, 2]", "[[-1, 9]", "error: row 5: Concat reads row 9, which is not a row before it"),
        ("[[-1, 2]", "[[-7, 2]", "error: row 5: Concat reads row -7, which is not a row before it"),
        ("[[-1, 2]", "[[-1, 0]", "error: row 5: Concat joins feature maps of unequal strides (row 4: 4, row 0: 2)"),
        ("[-1, 1, Conv, [128, 3, 2]] # 3", "[-1, 1, Conv, [128, 3, 2, 1, 7]] # 3", "error: does not build: "),
    ],
    ids=lambda value: None if value is None else value[:40],
)
def test_one_thing_wrong_is_found_and_named(old, new, message):
    assert old in RIGHT
    report = findings(RIGHT.replace(old, new))
    if message is None:
        assert report == []
    else:
        assert any(line.startswith(message) for line in report), report


def test_a_layer_that_nothing_reads_is_an_error():
    text = RIGHT.replace("  - [-1, 1, Conv, [128, 3, 2]] # 3", "  - [1, 1, Conv, [128, 3, 2]] # 3").replace(
        "[[-1, 2]", "[[-1, 1]"
    )
    assert "error: row 2: EMA is without effect: nothing reads it" in findings(text)


def test_a_layer_whose_reader_never_reaches_the_head_is_an_error():
    text = RIGHT.replace("[[5, 3], 1, Detect", "[[3, 3], 1, Detect").replace(
        "  - [-1, 1, Conv, [128, 3, 2]] # 3", "  - [1, 1, Conv, [128, 3, 2]] # 3"
    )
    report = findings(text)
    assert "error: row 2: EMA is without effect: its output never reaches the head" in report
    assert "warning: row 5: Concat is without effect: nothing reads it" in report


@pytest.mark.parametrize("text", ["", "nc: [", "backbone: []\n"], ids=["empty", "broken", "headless"])
def test_a_file_that_is_no_model_is_one_error(text):
    (finding,) = check(text)
    assert (finding.level, finding.row) == ("error", None)


@pytest.mark.parametrize(
    "name",
    [
        "v5/yolov5",
        "v8/yolov8-seg",
        "11/yolo11-cls",
        "v9/yolov9c",
        "v10/yolov10n",
        "v8/yolov8-world",
        "v8/yolov8-worldv2",
    ],
)
def test_stock_files_have_no_errors(name):
    assert [
        line for line in findings(find(STOCK / f"{name}.yaml").read_text(encoding="utf-8")) if line.startswith("error")
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(STOCK.rglob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_is_found_in_any_stock_file(path):
    assert findings(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("at", ["stages", "neck"])
@pytest.mark.parametrize("name", ["yolov8-world", "yolov8-worldv2"])
def test_nothing_is_found_in_yolo_world_with_attention(name, at):
    text = (STOCK / "v8" / f"{name}.yaml").read_text(encoding="utf-8")
    assert findings(edit.insert_all(text, ["ECA"], [at])) == []


def test_nothing_is_found_in_block_style():
    assert findings(yaml.safe_dump(yaml.safe_load(RIGHT), sort_keys=False)) == []


def test_two_attention_layers_side_by_side_do_not_read_past_each_other():
    text = """\
nc: 3
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, ECA, []]
  - [0, 1, SE, [4]]
head:
  - [[1, 2], 1, Concat, [1]]
  - [[3], 1, Detect, [nc]]
"""
    assert findings(text) == []


def test_the_row_that_does_not_run_is_named():
    text = RIGHT.replace('nn.Upsample, [None, 2, "nearest"]', "nn.Linear, [7, 7]")
    errors = [line for line in findings(text) if line.startswith("error: ")]
    assert errors and all(line.startswith("error: row 4: nn.Linear does not run: ") for line in errors)


@pytest.mark.parametrize(
    "activation",
    [
        "__import__('pathlib').Path('{file}').touch()",
        "nn.ReLU(__import__('pathlib').Path('{file}').touch())",
        "nn.ReLU(inplace=__import__('pathlib').Path('{file}').touch())",
        "nn.Module.__init__.__globals__['os'].mkdir('{file}')",
        "torch.hub.load('{file}', 'x')",
        "nn.ReLU",
        "[]",
    ],
)
def test_code_in_activation_is_refused_and_not_run(activation, tmp_path):
    text = f"activation: {json.dumps(activation.format(file=tmp_path / 'touched'))}\n{RIGHT}"
    (finding,) = findings(text)
    assert finding.startswith("error: activation ") and "is not evaluated; write a class of torch.nn" in finding
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("activation", ["nn.ReLU()", "torch.nn.LeakyReLU(0.1)", "nn.LeakyReLU(negative_slope=0.1)"])
def test_an_activation_of_torch_is_right_and_does_not_outlive_the_check(activation):
    before = Conv.default_act
    assert findings(f"activation: {activation}\n{RIGHT}") == []
    findings(f"activation: {activation}\n{RIGHT.replace('EMA, [8]', 'EMA, [7]')}")
    assert Conv.default_act is before


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("torch_safe_load", "FILE"),
        ("load_checkpoint", "FILE"),
        ("DetectionModel", "FILE"),
        ("Ensemble", ""),
        ("nn.functional", ""),
        ("nn.init.ones_", ""),
        ("nn.factory_kwargs", "{}"),
        ("torchvision.ops.nms", ""),
        ("torchvision.ops.torch", ""),
        ("contextlib", ""),
    ],
)
def test_a_row_that_names_something_else_than_a_layer_is_refused_and_not_called(module, arguments, tmp_path):
    file = tmp_path / "model.pt"
    torch.save(Trap(), file)
    row = f"- [-1, 1, {module}, [{arguments.replace('FILE', str(file))}]] # 3"
    (finding,) = findings(RIGHT.replace("- [-1, 1, Conv, [128, 3, 2]] # 3", row))
    assert finding.startswith((f"error: row 3: {module} is no layer", f"error: row 3: there is no layer {module}"))
    assert not Trap.sprung


class Trap:
    """Springs when it is loaded from a file."""

    sprung = False

    def __reduce__(self):
        return spring, ()


def spring() -> None:
    Trap.sprung = True


def test_pretrained_weights_are_not_downloaded(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torchvision.models._api.WeightsEnum, "get_state_dict", refuse)
    text = "nc: 5\nbackbone:\n  - [-1, 1, TorchVision, [512, resnet18{}]]\nhead:\n  - [-1, 1, Classify, [nc]]\n"
    assert findings(text.format(", DEFAULT, True, 2")) == []
    assert findings(text.format("")) == []


def test_a_network_that_torchvision_does_not_have_is_refused():
    text = "nc: 5\nbackbone:\n  - [-1, 1, TorchVision, [512, get_model]]\nhead:\n  - [-1, 1, Classify, [nc]]\n"
    assert findings(text) == ["error: row 0: TorchVision names no model of torchvision; write one such as resnet18"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1, Conv, [128, 3, 2]] # 3", "123456789, Conv, [128, 3, 1]] # 3", "row 3: Conv is repeated 123456789 times"),
        ("n: [1.0,", "n: [1.0e+9,", "a row is repeated more than 1000 times"),
        ("Conv, [128, 3, 2]] # 3", "Conv, [123456789, 3, 2]] # 3", "row 3: Conv has an argument 123456789"),
        ("Conv, [128, 3, 2]] # 3", "Conv, [128, '[9e9]', 2]] # 3", "row 3: Conv has an argument 9000000000.0"),
        ("1, Conv, [128, 3, 2]] # 3", "2, ResNetLayer, [128, 8, 2, False, 90000]] # 3", "more than 10,000 modules"),
        ("scales:\n  n: [1.0, 0.25, 1024]\n  s: [1.0, 0.50, 1024]", "scales: [n, s]", "scales is no table"),
        ("n: [1.0, 0.25, 1024]", "n: 3", "does not build"),
    ],
)
def test_a_model_that_would_never_be_built_is_refused(old, new, message):
    assert old in RIGHT
    assert any(
        message in line for line in findings(RIGHT.replace(old, new).replace("nc: 3", "nc: 3\ndepth_multiple: 1"))
    )
