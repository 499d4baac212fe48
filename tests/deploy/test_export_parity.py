"""Exported files compute what the models compute, at every size; where they do not, the export says so."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from ultralytics import YOLO

from yolo_attn.deploy import parity
from yolo_attn.deploy.export import compare, digest, export, metadata, shapes_for
from yolo_attn.layers import LAYERS

CFG = sorted(path.name for path in (Path(__file__).parents[2] / "cfg").glob("*.yaml"))
PLAIN_EMA_NODES = 51  # of the form in the paper's code, exported with dynamic size
FORBIDDEN = {"If", "Loop", "Scan", "NonZero"}
everywhere = pytest.mark.parametrize(
    "cfg", [cfg if cfg == "yolov5-ema.yaml" else pytest.param(cfg, marks=pytest.mark.slow) for cfg in CFG]
)


def scaled(cfg: str) -> str:
    family, dash, variant = cfg.partition("-")
    return f"{family}n{dash}{variant}" if family.startswith("yolo") else cfg


def awake(cfg: str, awaken) -> YOLO:
    torch.manual_seed(0)
    yolo = YOLO(scaled(cfg))
    awaken(yolo.model)
    return yolo


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


@pytest.mark.parametrize(
    "simplify", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["simplified", "as traced"]
)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@everywhere
def test_onnxruntime_agrees_with_torch_and_the_graph_is_plain(cfg, dynamic, simplify, tmp_path, monkeypatch, awaken):
    monkeypatch.chdir(tmp_path)
    yolo = awake(cfg, awaken)
    file = Path(yolo.export(format="onnx", imgsz=160, dynamic=dynamic, simplify=simplify, verbose=False))
    shapes = shapes_for(metadata(file), dynamic)
    assert [shape[0] for shape in shapes] == ([1, 1, 3, 3] if dynamic else [1])
    assert all(height != width for _, _, height, width in shapes[1:])
    found = compare(yolo.model, file, parity.TOLERANCE, shapes)  # raises beyond 1e-4
    assert len(found) == len(shapes)
    assert {node.op_type for node in nodes(onnx.load(file).graph)} & FORBIDDEN == set()


@pytest.mark.parametrize("format", ["torchscript"])
@everywhere
def test_torchscript_agrees_with_torch(cfg, format, tmp_path, monkeypatch, awaken):
    monkeypatch.chdir(tmp_path)
    yolo = awake(cfg, awaken)
    assert export(yolo, format, imgsz=160, dynamic=True).worst <= parity.TOLERANCE


def test_the_graph_of_ema_has_fewer_nodes_than_the_plain_form(tmp_path):
    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        LAYERS["EMA"](64).eval(),
        (torch.rand(1, 64, 9, 12),),
        tmp_path / "ema.onnx",
        dynamo=False,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": axes, "y": axes},
    )
    graph = onnx.load(tmp_path / "ema.onnx").graph
    assert len([node for node in graph.node if node.op_type != "Constant"]) < PLAIN_EMA_NODES


@pytest.fixture(scope="module")
def done(detector, photographs):
    # One photograph: with drawn weights many boxes of the other one score the same to 1e-5, and NMS may take either.
    return export(detector, imgsz=128, dynamic=True, images=photographs[:1], verbose=False)


def test_the_note_beside_the_file_says_what_it_is_and_what_was_compared(done):
    note = json.loads(Path(f"{done.file}.json").read_text())
    assert note["sha256"] == digest(done.file) and len(note["sha256"]) == 64
    assert note["names"]["3"] == "car" and note["imgsz"] == [128, 128] and note["dynamic"] is True
    assert {"python", "yolo-attn", "ultralytics", "torch", "onnx", "onnxruntime"} <= set(note["versions"])
    assert note["tolerance"] == 1e-4
    assert [entry["shape"] for entry in note["raw"]] == [
        [1, 3, 128, 128],
        [1, 3, 64, 224],
        [3, 3, 64, 224],
        [3, 3, 224, 64],
    ]
    assert all(max(entry["boxes"], entry["scores"]) < 1e-4 for entry in note["raw"])
    assert [entry["count"] > 10 and entry["unmatched"] == 0 for entry in note["boxes"]] == [True]


def broken(file: Path, row: int, target: Path) -> Path:
    """A copy of an ONNX file with the first convolution of a row ten times as strong."""
    model = onnx.load(file)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    node = next(node for node in model.graph.node if node.name.startswith(f"/model.{row}/") and node.op_type == "Conv")
    tensor = weights[node.input[1]]
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * np.float32(10), tensor.name))
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("row", "named"), [(2, r"row 2 \(C3\)"), (9, r"row 9 \(EMA\)"), (25, r"it is row 25 \(Detect\)")]
)
def test_a_file_that_differs_is_refused_with_the_row_where_it_starts(done, detector, tmp_path, row, named):
    file = broken(done.file, row, tmp_path / "broken.onnx")
    with pytest.raises(parity.ParityError, match=f"1x3x128x128 .* differ from torch by .* {named}"):
        compare(YOLO(detector).model, file, parity.TOLERANCE, [(1, 3, 128, 128)])


def test_a_file_that_does_not_run_at_a_size_is_refused(exported, detector):
    with pytest.raises(parity.ParityError, match=r"fixed\.onnx: input 1x3x128x160 does not run"):
        compare(YOLO(detector).model, exported["fixed"], parity.TOLERANCE, [(1, 3, 128, 160)])


def test_images_that_are_missing_are_named_before_the_export(detector):
    with pytest.raises(FileNotFoundError, match=r"no image nowhere\.jpg"):
        export(detector, images=["nowhere.jpg"])


@pytest.mark.parametrize(
    ("ours", "theirs", "alone"),
    [
        ([[0, 0, 9, 9, 0.9, 1]], [[0, 0, 9, 9.4, 0.9005, 1]], 0),
        ([[0, 0, 9, 9, 0.9, 1]], [[0, 0, 9, 9.6, 0.9, 1]], 2),  # too far
        ([[0, 0, 9, 9, 0.9, 1]], [[0, 0, 9, 9, 0.9, 2]], 2),  # another class
        ([[0, 0, 9, 9, 0.9, 1]], [[0, 0, 9, 9, 0.89, 1]], 2),  # another score
        (
            [[0, 0, 9, 9, 0.9, 1], [5, 5, 9, 9, 0.8, 1]],
            [[5, 5, 9, 9, 0.8, 1], [0, 0, 9, 9, 0.9, 1]],
            0,
        ),  # another order
        ([[0, 0, 9, 9, 0.2, 1]], [], 0),  # below the lowest score
        ([], [[0, 0, 9, 9, 0.9, 1]], 1),
        ([], [], 0),
    ],
)
def test_boxes_are_matched_by_class_place_and_score(ours, theirs, alone):
    found = parity.matched(*(np.array(rows, float).reshape(-1, 6) for rows in (ours, theirs)), 0.25)
    assert found[2] == alone
