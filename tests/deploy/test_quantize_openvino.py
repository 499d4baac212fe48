"""`yolo-attn quantize --format openvino`, and OpenVINO in float32 inside Ultralytics."""

import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from ultralytics import YOLO

from yolo_attn.deploy.export import export
from yolo_attn.deploy.float32 import PRECISION, openvino_in_float32
from yolo_attn.deploy.quantize import quantize
from yolo_attn.deploy.runtimes import opened
from yolo_attn.detection.opening import open_detector


def test_a_format_without_int8_is_refused_by_name(trained, data):
    with pytest.raises(ValueError, match="no INT8 for ncnn; the formats are onnx and openvino"):
        quantize(trained, data, format="ncnn")


def test_without_nncf_the_way_out_is_named(trained, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.delitem(sys.modules, "yolo_attn.deploy.quantize_openvino", raising=False)
    with pytest.raises(ImportError, match="pip install openvino nncf"):
        quantize(trained, data, format="openvino")


def test_openvino_is_asked_for_float32_and_other_settings_are_kept(monkeypatch):
    openvino, asked = pytest.importorskip("openvino"), []
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *arguments: asked.append(arguments[3]))
    before = openvino.Core.compile_model
    with openvino_in_float32():
        openvino.Core().compile_model("model.xml", device_name="CPU", config={"PERFORMANCE_HINT": "LATENCY"})
        openvino.Core().compile_model("model.xml")
    assert asked == [{"PERFORMANCE_HINT": "LATENCY", PRECISION: "f32"}, {PRECISION: "f32"}]
    assert openvino.Core.compile_model is before


@pytest.mark.slow
def test_boxes_on_pictures_are_those_of_the_model(trained, data, tmp_path):
    pytest.importorskip("openvino")
    pictures = sorted((data.parent / "images").glob("*.png"))[:4]
    exported = export(shutil.copy(trained, tmp_path), "openvino", images=pictures, imgsz=96, verbose=False)
    assert [picture.unmatched for picture in exported.boxes] == [0] * 4


@pytest.mark.slow
def test_the_int8_folder_predicts_like_the_float_model(trained, data, tmp_path):
    pytest.importorskip("nncf")
    quantized = quantize(shutil.copy(trained, tmp_path / "squares.pt"), data, images=10, format="openvino")
    assert quantized.file == tmp_path / "squares_int8_openvino_model"
    assert {path.name for path in tmp_path.iterdir()} == {"squares.pt", quantized.file.name, quantized.note.name}
    assert quantized.int8.megabytes < 0.5 * quantized.float32.megabytes
    pictures = [cv2.imread(str(path)) for path in sorted((data.parent / "images").glob("*.png"))[:4]]
    images = torch.from_numpy(np.stack(pictures)[..., ::-1] / np.float32(255)).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        expected = YOLO(trained).model.eval()(images)[0].numpy()
    given = np.concatenate([opened(quantized.file)(image[None])[0] for image in images])
    assert np.median(np.abs(expected[:, :4] - given[:, :4])) < 2  # pixels
    assert np.corrcoef(expected[:, 4:].ravel(), given[:, 4:].ravel())[0, 1] > 0.95
    detector = open_detector(quantized.file)
    assert detector.names == {0: "bright", 1: "dark"} and detector.info.imgsz == (96, 96)
