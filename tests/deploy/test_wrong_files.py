"""Wrong files are refused, and the message names the input, what differs, what is allowed, and the first row that differs."""

import ast
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from ultralytics import YOLO

from yolo_attn.deploy import parity
from yolo_attn.deploy.export import export
from yolo_attn.deploy.parity import compare_file

SHAPE = (1, 3, 96, 96)
HEAD = 25  # row of Detect in yolov5-ema


def scaled_weight(row: int, branch: str = "", factor: float = 1.01):
    """A change: the first convolution of a row, or of one of its branches, with its weights multiplied."""

    def change(model: onnx.ModelProto) -> None:
        place = f"/model.{row}/{branch}"
        node = next(node for node in model.graph.node if node.op_type == "Conv" and node.name.startswith(place))
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))

    return change


def replace(model: onnx.ModelProto, tensor: str, *nodes: onnx.NodeProto, **constants: np.ndarray) -> None:
    """Let everything that read `tensor` read the output of the last of `nodes`, which come directly after it."""
    graph = model.graph
    place = next(index for index, node in enumerate(graph.node) if tensor in node.output)
    for node in list(graph.node)[place + 1 :]:
        for index, name in enumerate(node.input):
            if name == tensor:
                node.input[index] = nodes[-1].output[0]
    for shift, node in enumerate(nodes, 1):
        graph.node.insert(place + shift, node)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())


def scores_of(model: onnx.ModelProto) -> str:
    """The name of the class scores (B, classes, A)."""
    return next(node.output[0] for node in model.graph.node if node.name == f"/model.{HEAD}/Sigmoid")


def classes_of(model: onnx.ModelProto) -> int:
    """The number of classes in the file's metadata."""
    return len(ast.literal_eval({entry.key: entry.value for entry in model.metadata_props}["names"]))


def scores_scaled(model: onnx.ModelProto) -> None:
    replace(model, scores_of(model), helper.make_node("Mul", [scores_of(model), "k"], ["scaled"]), k=np.float32([1.01]))


def classes_permuted(model: onnx.ModelProto) -> None:
    node = helper.make_node("Gather", [scores_of(model), "order"], ["permuted"], axis=1)
    replace(model, scores_of(model), node, order=np.roll(np.arange(classes_of(model)), 1))


def scores_not_a_number(model: onnx.ModelProto) -> None:
    replace(model, scores_of(model), helper.make_node("Mul", [scores_of(model), "k"], ["k2"]), k=np.float32([np.nan]))


def boxes_shifted(model: onnx.ModelProto) -> None:
    """All boxes one pixel to the right."""
    (output,) = model.graph.output
    last = next(node for node in model.graph.node if output.name in node.output)
    last.output[0] = "unshifted"
    shift = np.zeros((1, 4 + classes_of(model), 1), np.float32)
    shift[0, 0] = 1
    model.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    model.graph.node.append(helper.make_node("Add", ["unshifted", "shift"], [output.name]))


def size_baked_in(model: onnx.ModelProto) -> None:
    """The feature map of row 2 goes through the size that it has at the export, as the newer exporter's pooling does."""
    tensor = [node.output[0] for node in model.graph.node if node.name.startswith("/model.2/")][-1]
    replace(
        model,
        tensor,
        helper.make_node("Shape", [tensor], ["whole"]),
        helper.make_node("Slice", ["whole", "zero", "two"], ["front"]),
        helper.make_node("Concat", ["front", "fixed"], ["small"], axis=0),
        helper.make_node("Resize", [tensor, "", "", "small"], ["baked"], mode="linear"),
        helper.make_node("Resize", ["baked", "", "", "whole"], ["back"], mode="linear"),
        zero=np.array([0]),
        two=np.array([2]),
        fixed=np.array([24, 24]),  # a quarter of 96
    )


def changed(file: Path, change, target: Path) -> Path:
    model = onnx.load(file)
    change(model)
    onnx.save(model, target)
    return target


WRONG = {
    "a weight of a row": (scaled_weight(2), r"row 2 \(C3\)"),
    "a weight of the attention": (scaled_weight(9, factor=1.1), r"row 9 \(EMA\)"),
    "a weight of a score branch": (scaled_weight(HEAD, "cv3.1/cv3.1.1"), r"row 25 \(Detect\), cv3\.1\.1 \(Conv\)"),
    "the last weight of a score branch": (scaled_weight(HEAD, "cv3.0/cv3.0.2"), r"row 25 \(Detect\), cv3\.0"),
    "the last weight of a box branch": (scaled_weight(HEAD, "cv2.0/cv2.0.2"), r"row 25 \(Detect\), cv2\.0"),
    "scores scaled": (scores_scaled, r"scores differ from torch by .*, allowed are"),
    "classes permuted": (classes_permuted, r"scores differ from torch by .*, allowed are"),
    "scores that are no numbers": (scores_not_a_number, r"outputs of the file are not finite"),
    "boxes shifted": (boxes_shifted, r"boxes differ from torch by 1\.0e\+00 px, allowed are 5\.0e-02 px"),
}


@pytest.mark.parametrize("model", ["untrained", "trained"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_is_refused_and_says_where(wrong, model, exported, networks, tmp_path):
    change, message = WRONG[wrong]
    file = changed(exported[model], change, tmp_path / "wrong.onnx")
    with pytest.raises(parity.ParityError, match=rf"wrong\.onnx: input 1x3x96x96: .*{message}.*Do not ship"):
        compare_file(networks[model], file, parity.FLOAT, [SHAPE])


@pytest.mark.parametrize("model", ["untrained", "trained"])
def test_a_size_that_is_baked_in_is_found_at_other_sizes(model, exported, networks, tmp_path):
    file = changed(exported[model], size_baked_in, tmp_path / "wrong.onnx")
    assert len(compare_file(networks[model], file, parity.FLOAT, [SHAPE])) == 1
    with pytest.raises(parity.ParityError, match="1x3x64x192"):
        compare_file(networks[model], file, parity.FLOAT, [SHAPE, (1, 3, 64, 192)])


def test_a_torchscript_file_of_another_model_is_refused(trained, untrained, tmp_path):
    yolo = YOLO(trained)
    file = export(yolo, "torchscript", verify=False, imgsz=96, verbose=False).file
    with torch.no_grad():
        yolo.model.model[2].cv1.conv.weight.mul_(1.01)
    with pytest.raises(parity.ParityError, match=r"torchscript: input 1x3x96x96: (boxes|scores) differ"):
        compare_file(yolo.model, file, parity.FLOAT, [SHAPE])


def test_a_model_whose_own_outputs_are_no_numbers_is_refused(untrained, exported):
    network = YOLO(untrained).model
    with torch.no_grad():
        network.model[HEAD].cv3[0][2].bias.fill_(float("nan"))
    with pytest.raises(parity.ParityError, match=r"outputs of torch are not finite"):
        compare_file(network, exported["untrained"], parity.FLOAT, [SHAPE])


def test_outputs_that_are_no_numbers_on_both_sides_are_refused(untrained, exported, tmp_path):
    network = YOLO(untrained).model
    with torch.no_grad():
        network.model[HEAD].cv3[0][2].bias.fill_(float("nan"))
    file = changed(exported["untrained"], scores_not_a_number, tmp_path / "wrong.onnx")
    with pytest.raises(parity.ParityError, match=r"not finite"):
        compare_file(network, file, parity.FLOAT, [SHAPE])


def test_a_file_that_does_not_run_at_a_size_is_refused(trained, networks):
    file = export(trained, verify=False, imgsz=96, simplify=False, verbose=False).file
    with pytest.raises(parity.ParityError, match=r"last\.onnx: input 1x3x96x128: does not run"):
        compare_file(networks["trained"], file, parity.FLOAT, [(1, 3, 96, 128)])


def test_wrong_files_of_a_detector_that_picks_its_boxes_itself_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    yolo = YOLO("yolov10n.yaml")
    yolo.model.names = dict(enumerate("abcdefgh"))
    file = export(yolo, verify=False, imgsz=96, simplify=False, verbose=False).file
    yolo.model.end2end = True
    with torch.no_grad():
        yolo.model.model[-1].cv3[0][2].bias.add_(0.01)
        getattr(yolo.model.model[-1], "one2one_cv3", yolo.model.model[-1].cv3)[0][2].bias.add_(0.01)
    with pytest.raises(parity.ParityError, match="scores differ"):
        compare_file(yolo.model, file, parity.FLOAT, [SHAPE])
