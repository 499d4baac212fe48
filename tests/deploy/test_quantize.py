"""`yolo-attn quantize`: an 8-bit file that predicts like the float one, with its numbers beside it."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from ultralytics import YOLO

from yolo_attn import cli
from yolo_attn.deploy.quantize import quantize
from yolo_attn.deploy.runtimes import opened
from yolo_attn.detection.onnx_detector import open_file


def refused(monkeypatch, capsys, *arguments: object) -> str:
    """The last line on standard error of a `quantize` that must end with exit code 2."""
    monkeypatch.setattr(sys, "argv", ["yolo-attn", "quantize", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def quantized(trained, data, tmp_path_factory):
    """The trained detector in 8 bits."""
    weights = shutil.copy(trained, tmp_path_factory.mktemp("quantized") / "squares.pt")
    return quantize(weights, data, images=10)


def test_the_file_lies_beside_the_weights_and_nothing_else_is_left(quantized):
    assert quantized.file.name == "squares-int8.onnx"
    names = {path.name for path in quantized.file.parent.iterdir()}
    assert names == {"squares.pt", "squares-int8.onnx", "squares-int8.onnx.json"}


def test_convolutions_are_in_8_bits_and_the_decoding_of_the_head_is_not(quantized):
    graph = onnx.load(quantized.file).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert list(types.values()).count(onnx.TensorProto.INT8) > 50
    made_by = {output: node for node in graph.node for output in node.output}
    (sigmoid,) = (node for node in graph.node if node.name == "/model.25/Sigmoid")
    (last,) = (node for node in graph.node if graph.output[0].name in node.output)
    assert [made_by[name].op_type for name in last.input].count("DequantizeLinear") == 0
    assert all(reader.op_type != "QuantizeLinear" for reader in graph.node if sigmoid.output[0] in reader.input)


def test_boxes_and_scores_are_nearly_those_of_the_float_model(quantized, trained, data):
    pictures = sorted((data.parent / "images").glob("*.png"))[:4]
    images = torch.from_numpy(np.stack([cv2.imread(str(path))[..., ::-1] for path in pictures]) / np.float32(255))
    images = images.permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        expected = YOLO(trained).model.eval()(images)[0].numpy()
    given = np.concatenate([opened(quantized.file)(image[None])[0] for image in images])
    assert np.median(np.abs(expected[:, :4] - given[:, :4])) < 2  # pixels
    assert np.corrcoef(expected[:, 4:].ravel(), given[:, 4:].ravel())[0, 1] > 0.95


def test_the_file_is_smaller(quantized):
    assert quantized.int8.megabytes < 0.4 * quantized.float32.megabytes


@pytest.mark.slow
def test_a_detector_that_finds_something_finds_it_in_8_bits(train, data):
    quantized = quantize(train("yolov8n.yaml", epochs=150), data, images=12)
    assert quantized.float32.map50 > 0.3
    assert quantized.int8.map50 == pytest.approx(quantized.float32.map50, abs=0.1)
    assert quantized.int8.map50_95 == pytest.approx(quantized.float32.map50_95, abs=0.1)


def test_the_detector_without_torch_reads_the_file(quantized):
    _session, detector = open_file(quantized.file, 1)
    assert detector.names == {0: "bright", 1: "dark"} and detector.imgsz == (96, 96)


def test_the_note_has_the_numbers_of_both_files(quantized):
    note = json.loads(quantized.note.read_text(encoding="utf-8"))
    assert note["images"] == 10 and note["imgsz"] == [96, 96] and note["names"] == {"0": "bright", "1": "dark"}
    for file in ("int8", "float32"):
        assert {"map50", "map50_95", "milliseconds", "megabytes"} == set(note[file])
        assert note[file]["milliseconds"] > 0


def test_what_cannot_be_quantised_ends_in_one_sentence(tmp_path, monkeypatch, capsys, data, trained):
    YOLO("yolov8n-cls.yaml").save(tmp_path / "classifier.pt")
    others = tmp_path / "others.yaml"
    others.write_text(data.read_text(encoding="utf-8").replace("dark", "grey"), encoding="utf-8")
    assert "no checkpoint" in refused(monkeypatch, capsys, "yolov8n.yaml", "--data", data)
    assert "not there" in refused(monkeypatch, capsys, "nowhere.pt", "--data", data)
    assert "model for classify" in refused(monkeypatch, capsys, tmp_path / "classifier.pt", "--data", data)
    assert "nowhere.yaml cannot be used" in refused(monkeypatch, capsys, trained, "--data", "nowhere.yaml")
    assert "has the classes bright, dark" in refused(monkeypatch, capsys, trained, "--data", others)
    assert "3 images asked for, 12 found" in refused(monkeypatch, capsys, trained, "--data", data, "--images", 3)


def squares(data: Path, folder: Path, keep: int) -> Path:
    """A copy of the data set with fewer pictures."""
    shutil.copytree(data.parent, folder)
    for path in sorted((folder / "images").glob("*.png"))[keep:]:
        path.unlink()
    copy = folder / "squares.yaml"
    copy.write_text(data.read_text(encoding="utf-8").replace(str(data.parent), str(folder)), encoding="utf-8")
    return copy


def test_too_few_pictures_are_refused(tmp_path, monkeypatch, capsys, data, trained):
    line = refused(monkeypatch, capsys, trained, "--data", squares(data, tmp_path / "few", 5))
    assert "64 images asked for, 5 found" in line and "8 or more" in line


def test_a_picture_that_cannot_be_read_is_named(tmp_path, monkeypatch, capsys, data, trained):
    copy = squares(data, tmp_path / "torn", 12)
    torn = copy.parent / "images" / "7.png"
    torn.write_bytes(b"\x89PNG and no more")
    assert str(torn) in refused(monkeypatch, capsys, trained, "--data", copy)
