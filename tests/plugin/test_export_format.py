"""The stock export of models with layers that depend on its format."""

import re

import pytest
import torch
from torch import nn
from ultralytics import YOLO
from ultralytics.engine.exporter import Exporter

from yolo_attn.layers import EMA, LAYERS, is_multi_source
from yolo_attn.plugin import register

ROWS = """nc: 3
backbone:
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, {row}]
  - [-1, 1, Conv, [256, 3, 2]]
head:
  - [[2], 1, Detect, [nc]]
"""


# Operators that layers have used in their TorchScript graphs and that x2paddle 1.6 does not convert.
UNKNOWN_TO_PADDLE = {"linalg_vector_norm", "narrow", "numpy_T", "ones_like", "reciprocal", "square", "unbind"}


def built(folder, row):
    file = folder / "model.yaml"
    file.write_text(ROWS.format(row=row), encoding="utf-8")
    return YOLO(str(file), task="detect")


@pytest.fixture
def exported(monkeypatch, tmp_path):
    """The networks that reach Ultralytics' ncnn exporter, which needs packages that are not here."""
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Exporter, "export_ncnn", lambda self: seen.append(self.model) or "", raising=True)
    return seen


def test_the_copy_that_is_exported_knows_the_format_and_the_users_model_does_not(exported, tmp_path):
    yolo = built(tmp_path, "EMA, []")
    yolo.export(format="ncnn", imgsz=64)
    assert exported[0].model[1].export_format == "ncnn"
    assert yolo.model.model[1].export_format == EMA.export_format == ""


def test_a_layer_inside_another_knows_the_format(exported, tmp_path):
    built(tmp_path, "ReZero, [EMA]").export(format="ncnn", imgsz=64)
    assert [layer.export_format for layer in exported[0].modules() if isinstance(layer, EMA)] == ["ncnn"]


def test_a_layer_that_is_wrong_in_the_format_stops_the_export_with_its_row_and_the_reason(
    exported, tmp_path, monkeypatch
):
    class WrongInNcnn(nn.Identity):
        wrong_in = {"ncnn": "whose runtime crashes"}  # noqa: RUF012

        def __init__(self, channels: int):
            super().__init__()

    monkeypatch.setitem(LAYERS, "WrongInNcnn", WrongInNcnn)
    register(WrongInNcnn)
    with pytest.raises(
        ValueError, match=r"row 1 \(WrongInNcnn\): .* to ncnn, whose runtime crashes; export to another"
    ):
        built(tmp_path, "WrongInNcnn, []").export(format="ncnn", imgsz=64)
    assert exported == []
    assert built(tmp_path, "WrongInNcnn, []").export(format="torchscript", imgsz=64).endswith("model.torchscript")


def test_the_modules_of_a_model_without_plug_in_layers_get_no_attribute(exported, tmp_path):
    yolo = built(tmp_path, "nn.Identity, []")
    before = [set(vars(module)) for module in yolo.model.model[1].modules()]
    yolo.export(format="ncnn", imgsz=64)
    assert [set(vars(module)) for module in exported[0].model[1].modules()] == before


@pytest.mark.parametrize("name", [name for name in LAYERS if hasattr(LAYERS[name], "export_format")])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 1), (6, 9)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("format", ["ncnn", "paddle"])
def test_the_form_for_a_format_equals_the_usual_one(name, size, format):
    layer, x = LAYERS[name](24, 4).double(), torch.rand(2, 24, *size, dtype=torch.float64) * 9
    nn.init.normal_(layer.gn.weight)
    nn.init.normal_(layer.gn.bias)
    expected = layer(x)
    layer.export_format = format
    torch.testing.assert_close(layer(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_uses_operators_that_paddles_converter_knows_or_is_refused(name):
    several, x = is_multi_source(LAYERS[name]), torch.rand(1, 128, 6, 4)
    layer = LAYERS[name]([128, 128] if several else 128).eval().requires_grad_(False)
    layer.export_format = "paddle"
    graph = torch.jit.trace(layer, ([x, x],) if several else (x,), check_trace=False).inlined_graph
    unknown = set(re.findall(r"aten::(\w+)", str(graph))) & UNKNOWN_TO_PADDLE
    refused = any("paddle" in getattr(module, "wrong_in", {}) for module in layer.modules())
    assert refused or not unknown
