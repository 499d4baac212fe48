"""Rows of our layers in model YAMLs, as the stock parser builds them."""

import logging
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics.nn import tasks

import yolo_attn
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import edit, places

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
TASKS = ("", "-seg", "-pose", "-obb", "-cls")
FAMILIES = ["v5/yolov5", *(f"{family}{task}" for family in ("v8/yolov8", "11/yolo11", "26/yolo26") for task in TASKS)]
FAMILIES = [name for name in FAMILIES if (STOCK / f"{name}.yaml").exists()]  # older versions lack the newest


def model_dict(text: str, scale: str = "n") -> dict:
    return {**yaml.safe_load(text), "scale": scale, "yaml_file": "my.yaml"}


def small(row: list, *, before: tuple = (), head: tuple = ()) -> dict:
    """Three rows of 32, 64 and 64 channels and then `row`."""
    backbone = [[-1, 1, "Conv", [32, 3, 2]], [-1, 1, "Conv", [64, 3, 2]], [-1, 1, "Conv", [64, 3, 1]], *before, row]
    return {"nc": 2, "yaml_file": "my.yaml", "backbone": backbone, "head": list(head)}


def build(model: dict) -> nn.Sequential:
    return tasks.parse_model(deepcopy(model), ch=3, verbose=False)[0]


class SumOfSources(nn.Module):
    """Several maps -> the first, plus the mean of each other."""

    multi_source = True

    def __init__(self, channels: list, gain: float = 1.0):
        super().__init__()
        self.channels = channels
        self.gain = gain

    def forward(self, maps):
        return maps[0] + sum(self.gain * other.mean((1, 2, 3), keepdim=True) for other in maps[1:])


@pytest.fixture
def sum_of_sources():
    yield yolo_attn.register(SumOfSources)
    del LAYERS["SumOfSources"], tasks.SumOfSources


@pytest.mark.parametrize("scale", "nsmlx")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_takes_its_width_from_its_source_in_every_stock_family_and_scale(name, scale):
    text = (STOCK / f"{name}.yaml").read_text()
    for after in reversed(places.places(text, "backbone-end") + places.places(text, "neck")):
        text = edit.insert(text, after, "CBAM")
    with torch.device("meta"):
        model = build(model_dict(text, scale))
    outputs, widths = [], {}
    for module in list(model)[:-1]:
        read = [module.f] if isinstance(module.f, int) else module.f
        maps = [outputs[entry] if outputs else torch.empty(2, 3, 64, 64, device="meta") for entry in read]
        if isinstance(module, LAYERS["CBAM"]):
            widths[sum(parameter.numel() for parameter in module.parameters())] = maps[0].shape[1]
        outputs.append(module(maps[0] if isinstance(module.f, int) else maps))
    assert widths
    assert all(count == width * width // 8 + 98 for count, width in widths.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_stock_model_with_a_row_of_ours_runs_forward(name):
    text = (STOCK / f"{name}.yaml").read_text()
    for after in reversed(places.places(text, "backbone-end")):
        text = edit.insert(text, after, "ECA")
    model = tasks.guess_model_task(model_dict(text))
    classes = {
        "detect": "Detection",
        "segment": "Segmentation",
        "pose": "Pose",
        "obb": "OBB",
        "classify": "Classification",
    }
    network = getattr(tasks, f"{classes[model]}Model")(model_dict(text), verbose=False).eval()
    with torch.inference_mode():
        network(torch.rand(1, 3, 64, 96))
    assert any(isinstance(module, LAYERS["ECA"]) for module in network.model)


@pytest.mark.parametrize(
    ("source", "width"),
    [(-1, 64), (-2, 64), (-3, 32), (0, 32), (1, 64)],
    ids=lambda value: str(value),
)
def test_the_source_may_be_relative_or_absolute(source, width):
    model = build(small([source, 1, "CBAM", []]))
    assert sum(p.numel() for p in model[-1].parameters()) == width * width // 8 + 98


def test_an_open_ended_list_of_arguments_is_handed_on():
    layer = build(small([-1, 1, "ReZero", ["CBAM", 8, 5]]))[-1].layer
    assert sum(parameter.numel() for parameter in layer.parameters()) == 2 * 64 * 64 // 8 + 2 * 25


def test_repeats_follow_the_depth_of_the_scale():
    model = {**small([-1, 6, "EMA", [8]]), "scales": {"n": [0.5, 1.0, 1024]}, "scale": "n"}
    repeated = build(model)[-1]
    assert [type(module) for module in repeated] == [LAYERS["EMA"]] * 3


def test_several_sources_arrive_as_widths_and_as_maps(sum_of_sources):
    model = build(small([[-1, 0, 1], 1, "SumOfSources", [2.0]]))
    layer = model[-1]
    assert layer.channels == [64, 32, 64]
    assert (layer.gain, layer.f, type(layer.f)) == (2.0, [-1, 0, 1], list)
    maps = [torch.full((1, 2, 2, 2), value) for value in (1.0, 10.0, 100.0)]
    torch.testing.assert_close(layer(maps), torch.full((1, 2, 2, 2), 1 + 2.0 * 110))


def test_the_rows_after_several_sources_have_the_width_of_the_first(sum_of_sources):
    model = build(small([[0, -1], 1, "SumOfSources", []], head=[[-1, 1, "CBAM", []]]))
    assert sum(p.numel() for p in model[-1].parameters()) == 32 * 32 // 8 + 98


def test_a_layer_keeps_text_arguments_that_read_like_variables_of_the_parser():
    class Named(nn.Module):
        def __init__(self, channels: int, mode: str):
            super().__init__()
            self.mode = mode

    yolo_attn.register(Named)
    try:
        assert build(small([-1, 1, "Named", ["act"]]))[-1].mode == "act"
    finally:
        del LAYERS["Named"], tasks.Named


def test_the_model_table_shows_our_row_with_its_parameters(caplog):
    with caplog.at_level(logging.INFO, logger="ultralytics"):
        logging.getLogger("ultralytics").addHandler(caplog.handler)
        tasks.parse_model(small([-1, 1, "EMA", [8]]), ch=3, verbose=True)
        logging.getLogger("ultralytics").removeHandler(caplog.handler)
    line = next(record.message for record in caplog.records if "EMA" in record.message)
    assert line.split() == ["3", "-1", "1", "672", "yolo_attn.layers.ema.EMA", "[64,", "8]"]


def test_the_callers_dict_keeps_the_row_as_it_was_written():
    model = small([-1, 1, "EMA", [8]])
    tasks.parse_model(model, ch=3, verbose=False)
    assert model["backbone"][-1] == [-1, 1, "EMA", [8]]


def test_a_name_that_ultralytics_has_cannot_be_taken():
    class Conv(nn.Module):
        pass

    with pytest.raises(ValueError, match=r"Conv: Ultralytics already has .* under this name; choose another"):
        yolo_attn.register(Conv)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([-1, 1, "EMA", [7]], "my.yaml, row 3 `- [-1, 1, EMA, [7]]`: EMA: 64 channels cannot be split into 7 groups"),
        ([-1, 1, "EMA", ["a"]], "row 3 `- [-1, 1, EMA, [a]]`: 'a' does not fit factor of EMA(factor: int = 32)"),
        ([-1, 1, "EMA", [8.5]], "8.5 does not fit factor"),
        ([-1, 1, "EMA", [True]], "True does not fit factor"),
        ([-1, 1, "EMA", [64, 8]], "2 arguments do not fit EMA(factor: int = 32); channels are not written"),
        (
            [-1, 1, "ReZero", ["EMA", None]],
            "None does not fit arguments of ReZero(layer: str = 'EMA', *arguments: int | float | bool | str)",
        ),
        ([-1, 1, "ReZero", ["EMA", 7]], "EMA: 64 channels cannot be split into 7 groups"),
        ([-1, 1, "CBAM", [128]], "CBAM: "),
        ([-1, 1, "CBAM", [16, 4]], "CBAM: "),
        ([[-1, 1], 1, "EMA", [8]], "EMA reads one row, found the list [-1, 1]"),
        ([5, 1, "EMA", [8]], "5 is not a row before this one; write -1 to -3 or 0 to 2"),
        ([-4, 1, "EMA", [8]], "-4 is not a row before this one"),
        ([-1, 1, "EMAA", [8]], "there is no layer EMAA; did you mean EMA?"),
        ([-1, 1, "cbam", []], "there is no layer cbam; did you mean CBAM?"),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else None,
)
def test_a_wrong_row_is_refused_in_one_sentence_that_names_it(row, message):
    with pytest.raises(ValueError) as caught:
        build(small(row))
    assert message in str(caught.value)
    assert "my.yaml, row 3 `" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repeated_layer_of_several_sources_is_refused(sum_of_sources):
    with pytest.raises(ValueError, match=r"reads several rows and cannot be repeated; found n = 2, write 1"):
        build(small([[-1, 0], 2, "SumOfSources", []]))


def test_an_unknown_name_unlike_ours_stays_the_stock_error():
    with pytest.raises(KeyError, match="Nonsense"):
        build(small([-1, 1, "Nonsense", []]))


def test_errors_of_stock_rows_pass_unchanged():
    with pytest.raises(TypeError):
        build(small([-1, 1, "nn.Upsample", [1, 2, 3, 4, 5, 6, 7, 8]]))


def test_a_parser_that_does_not_hand_over_its_widths_is_reported(monkeypatch):
    from yolo_attn.plugin.parser import with_our_rows

    def parse_model(d, ch, verbose=True):
        for i, (_f, _n, name, args) in enumerate(d["backbone"]):  # noqa: B007 (read through the traceback)
            m = getattr(tasks, name)
            m(*args)

    model = {"backbone": [[-1, 1, "EMA", [8]]], "head": []}
    with pytest.raises(ValueError, match=f"cannot give layers their width in Ultralytics {ultralytics.__version__}"):
        with_our_rows(parse_model)(model, 3)
