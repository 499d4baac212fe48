"""Correct files pass: every family, as it comes out of its YAML and out of a training, in every format."""

import warnings
from pathlib import Path

import onnx
import pytest
import torch
from ultralytics import YOLO

from yolo_attn.deploy import parity
from yolo_attn.deploy.export import export
from yolo_attn.layers import LAYERS

CFG = Path(__file__).parents[2] / "cfg"
QUICK_CFG = ["yolov5-ema.yaml"]
QUICK = ["yolov8n.yaml", "yolo11n-seg.yaml", "yolov8n-cls.yaml"]
SLOW = [
    *(
        f"{family}.yaml"
        for family in [
            "yolo26n",
            "yolov3-tiny",
            "yolov5n",
            "yolov6n",
            "yolov9t",
            "yolov10n",
            "yolo11n",
            "yolo12n",
            "rtdetr-l",
        ]
    ),
    *(f"yolov8n-{kind}.yaml" for kind in ("p2", "p6", "seg", "pose", "obb")),
    *(f"yolo11n-{kind}.yaml" for kind in ("pose", "obb", "cls")),
    *(f"yolo26n-{kind}.yaml" for kind in ("seg", "pose", "obb", "cls")),
]
FORBIDDEN = {"If", "Loop", "Scan", "NonZero"}
PLAIN_EMA_NODES = 51  # of the form in the paper's code, exported with dynamic size


def scaled(cfg: Path) -> str:
    """cfg/yolov5-ema.yaml -> .../yolov5n-ema.yaml."""
    family, dash, variant = cfg.name.partition("-")
    return str(cfg.with_name(f"{family}n{dash}{variant}") if family.startswith("yolo") else cfg)


def slow(model: str) -> object:
    return pytest.param(model, marks=pytest.mark.slow)


OWN = [scaled(path) if path.name in QUICK_CFG else slow(scaled(path)) for path in sorted(CFG.glob("*.yaml"))]
stock_and_own = pytest.mark.parametrize("model", [*QUICK, *map(slow, SLOW), *OWN], ids=lambda model: Path(model).stem)


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


@pytest.mark.parametrize(
    "simplify", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["simplified", "as traced"]
)
@stock_and_own
def test_the_onnx_file_of_a_model_straight_from_its_yaml_passes(model, simplify, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exported = export(model, imgsz=96, dynamic=True, simplify=simplify, verbose=False)
    assert len(exported.comparisons) == 4
    assert {shape[0] for shape in (comparison.shape for comparison in exported.comparisons)} == {1, 3}
    assert all(comparison.feature_maps <= 5e-5 for comparison in exported.comparisons)  # half of what is allowed
    assert all(comparison.worst.share <= 0.5 for comparison in exported.comparisons)
    if "rtdetr" not in model:
        assert {node.op_type for node in nodes(onnx.load(exported.file).graph)} & FORBIDDEN == set()


@pytest.mark.slow
@stock_and_own
def test_files_of_fixed_size_and_of_torchscript_pass(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for format in ("onnx", "torchscript"):
        exported = export(model, format, imgsz=160, verbose=False)
        assert len(exported.comparisons) == 1
        assert exported.comparisons[0].worst.share <= 0.5


def test_torchscript_passes(trained):
    assert export(trained, "torchscript", imgsz=96, verbose=False).comparisons[0].worst.share < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    ["yolov5n.yaml", "yolov8n.yaml", "yolo11n.yaml", "yolo26n.yaml", "yolov10n.yaml", str(CFG / "yolo26n-ema.yaml")],
)
def test_the_onnx_file_of_a_trained_model_passes(model, train):
    exported = export(train(model), imgsz=96, dynamic=True, verbose=False)
    assert all(comparison.worst.share < 0.5 for comparison in exported.comparisons)


@pytest.mark.parametrize(
    "bias", [-0.5, pytest.param(-6.0, marks=pytest.mark.slow), pytest.param(6.0, marks=pytest.mark.slow)]
)
def test_the_file_of_a_trained_model_that_is_sure_of_itself_passes(bias, trained):
    yolo = YOLO(trained)
    with torch.no_grad():
        for branch in yolo.model.model[-1].cv3:
            branch[-1].bias.fill_(bias)
    assert export(yolo, imgsz=96, verbose=False).comparisons[0].worst.share < 0.5


@pytest.mark.slow
def test_a_file_in_half_precision_passes(trained):
    exported = export(trained, imgsz=96, half=True, verbose=False)
    assert exported.tolerance == parity.HALF
    assert exported.comparisons[0].feature_maps is None


def test_the_graph_of_ema_has_fewer_nodes_than_the_plain_form(tmp_path):
    axes = {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axes, "y": axes}}
    layer, file = LAYERS["EMA"](64).eval(), tmp_path / "ema.onnx"
    torch.onnx.export(layer, (torch.rand(1, 64, 9, 12),), file, dynamo=False, **names)
    graph = onnx.load(file).graph
    assert len([node for node in graph.node if node.op_type != "Constant"]) < PLAIN_EMA_NODES


def test_exporting_ema_warns_of_nothing_that_the_stock_export_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = {}
    for model in ("yolov5n.yaml", str(CFG / "yolov5n-ema.yaml")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            YOLO(model).export(format="onnx", imgsz=64, simplify=False, verbose=False)
        shown[model] = {(warning.category, str(warning.message)) for warning in caught}
    stock, own = shown.values()
    assert own - stock == set()
