"""Plug-in rows in model YAMLs, as the stock parser builds them."""

import inspect
import logging
import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import edit, places
from yolo_attn.plugin import parse_model
from yolo_attn.plugin.parser import with_attention_rows

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


@pytest.mark.parametrize("scale", "nsmlx")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_takes_its_width_from_its_source_in_every_stock_family_and_scale(name, scale):
    text = (STOCK / f"{name}.yaml").read_text()
    neck = [] if "-cls" in name else places.places(text, "neck")
    for after in reversed(places.places(text, "backbone-end") + neck):
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
def test_a_stock_model_with_a_plug_in_row_runs_forward(name, tmp_path):
    text = (STOCK / f"{name}.yaml").read_text()
    for after in reversed(places.places(text, "backbone-end")):
        text = edit.insert(text, after, "ECA")
    (tmp_path / "yolo0n.yaml").write_text(text)
    network = YOLO(tmp_path / "yolo0n.yaml").model.eval()
    with torch.inference_mode():
        network(torch.rand(1, 3, 64, 96))
    assert any(isinstance(module, LAYERS["ECA"]) for module in network.model)


@pytest.mark.parametrize(
    ("source", "width"), [(-1, 64), (-2, 64), (-3, 32), (0, 32), (1, 64)], ids=lambda value: str(value)
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


def test_several_sources_arrive_as_widths_and_as_maps(register):
    register(SumOfSources)
    model = build(small([[-1, 0, 1], 1, "SumOfSources", [2.0]]))
    layer = model[-1]
    assert layer.channels == [64, 32, 64]
    assert (layer.gain, layer.f, type(layer.f)) == (2.0, [-1, 0, 1], list)
    maps = [torch.full((1, 2, 2, 2), value) for value in (1.0, 10.0, 100.0)]
    torch.testing.assert_close(layer(maps), torch.full((1, 2, 2, 2), 1 + 2.0 * 110))


def test_the_rows_after_several_sources_have_the_width_of_the_first(register):
    register(SumOfSources)
    model = build(small([[0, -1], 1, "SumOfSources", []], head=[[-1, 1, "CBAM", []]]))
    assert sum(p.numel() for p in model[-1].parameters()) == 32 * 32 // 8 + 98


def test_a_layer_keeps_text_arguments_that_read_like_variables_of_the_parser(register):
    class Named(nn.Module):
        def __init__(self, channels: int, mode: str):
            super().__init__()
            self.mode = mode

    register(Named)
    assert build(small([-1, 1, "Named", ["act"]]))[-1].mode == "act"


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


def test_a_checkpoint_holds_rows_as_written_and_nothing_of_the_plug_in(tmp_path):
    text = "nc: 2\nbackbone:\n  - [-1, 1, ResNet, [18, EMA(8)]]\nhead:\n  - [0, 1, Feature, [4]]\n  - [0, 1, Feature, [5]]\n"
    text += "  - [[-1], 1, EMCA, []]\n  - [[1, 3], 1, Detect, [nc]]\n"
    (tmp_path / "model.yaml").write_text(text, encoding="utf-8")
    model = YOLO(tmp_path / "model.yaml").model.eval()
    written = pickle.dumps(model)
    assert b"yolo_attn.plugin" not in written
    read = pickle.loads(written)
    assert read.yaml["head"][:3] == [[0, 1, "Feature", [4]], [0, 1, "Feature", [5]], [[-1], 1, "EMCA", []]]
    assert [type(row.f) for row in read.model] == [int, int, int, list, list]
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(read(image)[0], model(image)[0])


def test_the_parser_of_the_plug_in_is_called_without_anything_patched(monkeypatch):
    monkeypatch.setattr(tasks, "parse_model", inspect.unwrap(tasks.parse_model))
    monkeypatch.delattr(tasks, "CBAM")
    layer = parse_model(small([-1, 1, "CBAM", []]), 3, verbose=False)[0][-1]
    assert type(layer) is LAYERS["CBAM"]


def test_rows_given_as_tuples_are_built():
    assert type(build(small((-1, 1, "EMA", (8,))))[-1]) is LAYERS["EMA"]


def test_text_that_is_python_is_read_and_other_text_is_the_layers_own(register):
    class Texts(nn.Module):
        def __init__(self, channels: int, *texts):
            super().__init__()
            self.channels, self.texts = channels, texts

    register(Texts)
    texts = ["None", "1e-3", "(1, 2)", "'a'", "3x3", "n", "ch", "nc", "d", "EMA(8)", "\0", "a b", "__import__('os')"]
    layer = build(small([-1, 1, "Texts", texts]))[-1]
    assert layer.channels == 64
    assert layer.texts == (None, 1e-3, (1, 2), "a", *texts[4:])


class Failing(nn.Module):
    """A layer whose constructor raises what it is told to."""

    error: Exception

    def __init__(self, channels: int):
        super().__init__()
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("too\nwide"), "too wide"),
        (ValueError(), "ValueError"),
        (TypeError("unsupported operand"), "TypeError: unsupported operand"),
        (RuntimeError("size mismatch:\n\tfirst\n\tsecond"), "RuntimeError: size mismatch: first second"),
        (AssertionError(), "AssertionError"),
        (KeyError("width"), "KeyError: 'width'"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (torch.OutOfMemoryError("no memory"), "OutOfMemoryError: no memory"),
    ],
    ids=repr,
)
def test_any_error_of_a_constructor_carries_the_row(error, message, register, monkeypatch):
    monkeypatch.setattr(Failing, "error", error, raising=False)
    register(Failing)
    with pytest.raises(ValueError) as caught:
        build(small([-1, 1, "Failing", []], before=([-1, 1, "EMA", [8]],), head=([-1, 1, "EMA", [8]],)))
    assert str(caught.value) == f"my.yaml, row 4 `- [-1, 1, Failing, []]`: {message}"
    assert caught.value.__cause__ is error


def test_an_interruption_passes_as_it_is(register, monkeypatch):
    monkeypatch.setattr(Failing, "error", KeyboardInterrupt(), raising=False)
    register(Failing)
    with pytest.raises(KeyboardInterrupt):
        build(small([-1, 1, "Failing", []]))


MODEL = """nc: 2
backbone:
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [64, 3, 1]]
  - {row}
head:
  - [[3], 1, Detect, [nc]]
"""
FOUR = "a row is a list of four, [from, number, module, arguments], found"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[-1, 1, EMA]", f"EMA: {FOUR} 3 entries; write `- [-1, 1, EMA, []]` for the defaults"),
        ("[-1, 1, EMA, 8, 8]", f"EMA: {FOUR} 5 entries; write `- [-1, 1, EMA, []]`"),
        ("[-1, EMA, [8]]", f"EMA: {FOUR} 3 entries"),
        ("[EMA]", f"EMA: {FOUR} 1 entries"),
        ("EMA", f"EMA: {FOUR} a str"),
        ("{EMA: [8]}", f"EMA: {FOUR} a dict"),
        ("[-1, 1, EMA, 8]", "EMA: the arguments of a row are a list, found 8; write [8]"),
        ("[-1, 1, EMA, 8.5]", "EMA: the arguments of a row are a list, found 8.5; write [8.5]"),
        ("[-1, 1, EMA, null]", "EMA: the arguments of a row are a list, found None; write [] for the defaults"),
        ("[-1, 1, EMA, ~]", "EMA: the arguments of a row are a list, found None; write [] for the defaults"),
        ("[-1, 1, EMCA, srm]", "EMCA: the arguments of a row are a list, found srm; write [srm]"),
        ("[-1, 1, EMA, {factor: 8}]", "EMA: the arguments of a row are a list, found {'factor': 8}; write [8]"),
        ("[-1, 1, EMA, [3x3]]", "'3x3' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [7]]", "row 3 `- [-1, 1, EMA, [7]]`: EMA: 64 channels cannot be split into 7 groups"),
        ("[-1, 1, EMA, [8.5]]", "8.5 does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [true]]", "True does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [64, 8]]", "2 arguments do not fit EMA(factor: int = 32); channels are not written"),
        ("[-1, 1, CBAM, [128]]", "CBAM: "),
        ("[-1, 1, CBAM, [16, 4]]", "CBAM: "),
        ("[-1, 1, EMA, ['3x3']]", "'3x3' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [null]]", "None does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [[8]]]", "[8] does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [n]]", "'n' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [ch]]", "'ch' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [nc]]", "'nc' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, EMA, [2020-01-01]]", "does not fit factor of EMA(factor: int = 32)"),
        ("[-1, two, EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found 'two'; write 1"),
        ("[-1, '1', EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found '1'; write 1"),
        ("[-1, null, EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found None; write 1"),
        ("[-1, 0, EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found 0; write 1"),
        ("[-1, 1.5, EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found 1.5; write 1"),
        ("[-1, true, EMA, [8]]", "EMA: the number of repeats is an integer of 1 or more, found True; write 1"),
        ("[1.0, 1, EMA, [8]]", "EMA: 1.0 is not a row before this one; write -1 to -3 or 0 to 2"),
        ("['-1', 1, EMA, [8]]", "EMA: '-1' is not a row before this one; write -1 to -3 or 0 to 2"),
        ("[null, 1, EMA, [8]]", "EMA: None is not a row before this one"),
        ("[true, 1, EMA, [8]]", "EMA: True is not a row before this one"),
        ("[5, 1, EMA, [8]]", "EMA: 5 is not a row before this one; write -1 to -3 or 0 to 2"),
        ("[-4, 1, EMA, [8]]", "EMA: -4 is not a row before this one"),
        ("[0x3, 1, EMA, [8]]", "EMA: 3 is not a row before this one"),
        ("[0_6, 1, EMA, [8]]", "EMA: 6 is not a row before this one"),
        ("[[-1, 1], 1, EMA, [8]]", "EMA reads one row, found the list [-1, 1]"),
        ("[[-1], 1, EMA, [8]]", "EMA reads one row, found the list [-1]; write one index, or put a Concat before it"),
        ("[[], 1, EMCA, []]", "EMCA reads at least one row, found []; write [-1], or more rows before this one"),
        ("[[[-1], 1], 1, EMCA, []]", "EMCA: [-1] is not a row before this one; write -1 to -3 or 0 to 2"),
        ("[[-1, 6], 1, EMCA, []]", "EMCA: 6 is not a row before this one"),
        ("[[-1, 1.0], 1, EMCA, []]", "EMCA: 1.0 is not a row before this one"),
        ("[[-1, 0], 2, EMCA, []]", "EMCA reads several rows and cannot be repeated; found n = 2, write 1"),
        ("[[0, 1], 1, EMCA, []]", "EMCA: source 2 has 64 channels, more than the 32 of the first"),
        ("[-1, 1, ReZero, [EMA, 8.5]]", "8.5 does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, ReZero, [EMA, 8, 8]]", "2 arguments do not fit EMA(factor: int = 32)"),
        ("[-1, 1, ReZero, [EMA, a]]", "'a' does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, ReZero, [PointwiseControl, EMA, a]]", "'a' does not fit factor of EMA(factor: int = 32)"),
        (
            "[-1, 1, ReZero, [EMA, null]]",
            "None does not fit arguments of ReZero(layer: str = 'EMA', *arguments: int | ",
        ),
        ("[-1, 1, ReZero, [EMA, 7]]", "EMA: 64 channels cannot be split into 7 groups"),
        ("[-1, 1, ReZero, [EMMA]]", "ReZero: there is no layer 'EMMA'"),
        ("[-1, 1, ReZero, [ReZero]]", "ReZero: there is no layer 'ReZero'"),
        ("[-1, 1, ReZero, [EMCA]]", "ReZero: there is no layer 'EMCA' that reads a single feature map"),
        ("[-1, 1, PointwiseControl, [CBAM, 16, 7.5]]", "7.5 does not fit kernel_size of CBAM("),
        (
            "[-1, 1, ResNet, [18]]",
            "row 4 `- [[3], 1, Detect, [nc]]`: Detect cannot read row 3, ResNet, which gives several",
        ),
        ("[-1, 1, Classifier, [nc]]", "Classifier gives classes, which no row can read; make it the last row"),
        ("[-1, 1, Feature, [5]]", "Feature reads a network such as ResNet"),
        ("[-1, 1, Ema, [8]]", "there is no layer Ema; did you mean EMA?"),
        ("[-1, 1, EMAA, [8]]", "there is no layer EMAA; did you mean EMA?"),
        ("[-1, 1, cbam, []]", "there is no layer cbam; did you mean CBAM?"),
    ],
)
def test_slips_of_the_hand_are_named_with_their_row_by_the_stock_command(row, message, tmp_path):
    (tmp_path / "slip.yaml").write_text(MODEL.format(row=row), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        YOLO(tmp_path / "slip.yaml")
    text = str(error.value)
    place = "row 4" if message.startswith("row 4") else "row 3"  # the row that reads a network is the wrong one
    assert text.startswith(f"slip.yaml, {place} `") and message in text
    assert "\n" not in text and " object at 0x" not in text


@pytest.mark.parametrize(("source", "index"), [("0x1", 1), ("0b10", 2), ("0_1", 1), ("+2", 2), ("-0x2", 1)])
def test_a_source_may_be_any_integer_of_yaml(source, index, tmp_path):
    (tmp_path / "model.yaml").write_text(MODEL.format(row=f"[{source}, 1, EMA, [8]]"), encoding="utf-8")
    model = YOLO(tmp_path / "model.yaml").model
    assert model.model[3].f % 3 == index and index in model.save


@pytest.mark.parametrize(
    "row",
    [
        "[-1, 1, Conv]",
        "[-1, 1, Conv, 8]",
        "Conv",
        "[]",
        "[-1, two, Conv, [8]]",
        "[-1, 1, 5, []]",
        "[-1, 1, [EMA], [8]]",
    ],
)
def test_slips_in_stock_rows_fail_as_they_do_without_the_plug_in(row):
    text = MODEL.format(row=row)
    stock, ours = (outcome(parser, text) for parser in (inspect.unwrap(tasks.parse_model), tasks.parse_model))
    assert stock == ours and stock[0] is not None


@pytest.mark.parametrize("row", ["[-1, 1, Conv]", "Conv", "[]", "[-1, two, Conv, [8]]", "[-1, 1, 5, []]", "null"])
def test_slips_in_stock_rows_fail_as_ever_beside_plug_in_rows(row):
    before = MODEL.format(row="[-1, 1, Conv, [64, 3, 1]]").replace("head:", f"  - {row}\nhead:")
    after = MODEL.format(row="[-1, 1, EMA, [8]]").replace("head:", f"  - {row}\nhead:")
    stock, ours = (outcome(tasks.parse_model, text) for text in (before, after))
    assert stock == ours and stock[0] is not None


def outcome(parser, text):
    try:
        parser(yaml.safe_load(text), 3, verbose=False)
    except Exception as error:
        return type(error), str(error)
    return None, None


def test_a_model_without_plug_in_rows_is_handed_to_the_stock_parser_itself():
    seen = []
    model = yaml.safe_load(MODEL.format(row="[-1, 1, Conv, [64, 3, 1]]"))
    with_attention_rows(lambda *args, **kwargs: seen.append((args, kwargs)))(model, 3, verbose=False)
    ((d, ch), kwargs), *others = seen
    assert d is model and ch == 3 and kwargs == {"verbose": False} and not others


@pytest.mark.parametrize("section", ["backbone", "head"])
@pytest.mark.parametrize("value", [None, "EMA", {"EMA": 1}])
def test_a_model_without_lists_of_rows_fails_as_it_does_without_the_plug_in(section, value):
    model = {**yaml.safe_load(MODEL.format(row="[-1, 1, EMA, [8]]")), section: value}
    stock, ours = (
        outcome(parser, yaml.safe_dump(model)) for parser in (inspect.unwrap(tasks.parse_model), tasks.parse_model)
    )
    assert stock == ours and stock[0] is not None


def test_a_repeated_layer_of_several_sources_is_refused(register):
    register(SumOfSources)
    with pytest.raises(ValueError, match=r"reads several rows and cannot be repeated; found n = 2, write 1"):
        build(small([[-1, 0], 2, "SumOfSources", []]))


def test_an_unknown_name_unlike_ours_stays_the_stock_error():
    with pytest.raises(KeyError, match="Nonsense"):
        build(small([-1, 1, "Nonsense", []]))


def test_errors_of_stock_rows_pass_unchanged():
    with pytest.raises(TypeError):
        build(small([-1, 1, "nn.Upsample", [1, 2, 3, 4, 5, 6, 7, 8]]))


def unaware(layer_takes_anything):
    """A parser of another Ultralytics, which has no variable `ch`."""

    def parse_model(d, ch, verbose=True):
        layers = []
        for i, (f, _n, name, args) in enumerate(d["backbone"]):
            layers.append(getattr(tasks, name)(*args) if not layer_takes_anything else nn.Identity())
            layers[-1].i, layers[-1].f = i, f
        return nn.Sequential(*layers), []

    return parse_model


@pytest.mark.parametrize("layer_takes_anything", [False, True])
def test_a_parser_that_does_not_hand_over_its_widths_is_reported(layer_takes_anything):
    model = {"backbone": [[-1, 1, "EMA", [8]]], "head": []}
    with pytest.raises(ValueError) as error:
        with_attention_rows(unaware(layer_takes_anything))(model, 3)
    assert str(error.value) == (
        "model, row 0 `- [-1, 1, EMA, [8]]`: yolo_attn cannot give layers their width in Ultralytics "
        f"{ultralytics.__version__}, which reads YAML rows differently"
    )
