"""The detector in torch finds what Ultralytics' predict finds, and what the ONNX file of the same model finds."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ultralytics import YOLO

from yolo_attn.detection import detector as detector_module
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import PROTOCOL, DetectionSettings
from yolo_attn.detection.sources import files, pictures, read_image
from yolo_attn.detection.stream import detect_stream
from yolo_attn.detection.torch_detector import TorchDetector


def assert_near(detections, boxes, scores, classes):
    assert detections.classes.tolist() == classes.tolist()
    np.testing.assert_allclose(detections.boxes, boxes, rtol=0, atol=0.02)
    np.testing.assert_allclose(detections.scores, scores, rtol=0, atol=1e-4)


@pytest.mark.parametrize("file", ["pt", "fixed", "dynamic"])
def test_boxes_are_those_of_ultralytics(exported, checkpoint, photographs, file):
    file = exported.get(file, checkpoint)
    run = TorchDetector(file, DetectionSettings(imgsz=256, conf=0.1), batch=1, device="cpu")
    stock = YOLO(file, task="detect")
    for path in photographs:
        expected = stock.predict(str(path), imgsz=256, conf=0.1, verbose=False, device="cpu")[0].boxes.data.numpy()
        assert len(expected) > 20
        assert_near(run([read_image(path)])[0], expected[:, :4], expected[:, 4], expected[:, 5])


def test_an_onnx_file_gives_the_same_in_torch_and_without(exported, photographs):
    images = [read_image(path) for path in photographs]
    settings = replace(PROTOCOL, conf=0.05, classes=(0, 3))
    for one, other in zip(
        TorchDetector(exported["batch3"], settings, device="cpu")(images),
        OnnxDetector(exported["batch3"], settings)(images),
        strict=True,
    ):
        assert len(one) > 5 and set(one.classes.tolist()) <= {0, 3}
        assert_near(one, other.boxes, other.scores, other.classes)


def test_a_file_chooses_its_detector(exported, checkpoint):
    assert type(open_detector(exported["fixed"])) is OnnxDetector
    assert type(open_detector(exported["fixed"], device="cpu")) is OnnxDetector
    assert type(open_detector(checkpoint, device="cpu")) is TorchDetector


def test_a_checkpoint_is_run_at_the_size_of_its_training(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=False)
    torch.save({**content, "train_args": {"imgsz": 96, "task": "detect"}}, tmp_path / "best.pt")
    assert open_detector(tmp_path / "best.pt").imgsz == (96, 96)


def test_many_at_once_give_what_one_gives(checkpoint, photographs):
    paths = list(photographs) * 4
    settings = DetectionSettings(imgsz=64, conf=0.05)
    single = TorchDetector(checkpoint, settings, device="cpu")
    expected = {path: single([read_image(path)])[0] for path in photographs}
    results = list(
        detect_stream(TorchDetector(checkpoint, settings, at_once=3, batch=2, device="cpu"), pictures(paths))
    )
    assert [result.picture.path for result in results] == paths
    for result in results:
        reference = expected[result.picture.path]
        assert_near(result.detections, reference.boxes, reference.scores, reference.classes)


def test_the_networks_of_a_cpu_have_common_weights_and_leave_torchs_threads_alone(checkpoint, photographs):
    detector = TorchDetector(checkpoint, DetectionSettings(imgsz=64), at_once=2, device="cpu")
    torch_threads = torch.get_num_threads()  # as Ultralytics sets it when a file is opened
    one, other = (detector._networks.get() for _ in range(2))
    assert one is not other
    assert one.model is not other.model
    pairs = [*zip(one.model.parameters(), other.model.parameters(), strict=True)]
    assert len(pairs) > 50
    assert all(mine.data_ptr() == yours.data_ptr() for mine, yours in pairs)
    detector._networks.put(one)
    detector([read_image(photographs[0])])
    with ThreadPoolExecutor(1) as fresh:
        assert {torch.get_num_threads(), fresh.submit(torch.get_num_threads).result()} == {torch_threads}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yolo11n-seg.yaml", "is a model for segment; give one for detect"),
        ("rtdetr-resnet50.yaml", "is a model of RTDETR"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(tmp_path, monkeypatch, name, message):
    from ultralytics import RTDETR

    monkeypatch.chdir(tmp_path)
    (RTDETR if "rtdetr" in name else YOLO)(name).save("other.pt")
    with pytest.raises(ValueError, match=rf"other\.pt: {message}"):
        open_detector(tmp_path / "other.pt")


def test_a_class_without_a_name_is_refused(checkpoint, photographs):
    run = TorchDetector(checkpoint, DetectionSettings(imgsz=64, conf=0.05), device="cpu")
    run.names = {0: "car"}
    with pytest.raises(ValueError, match=r"detector\.pt: finds class \d+, but names only 1 classes"):
        run([read_image(path) for path in photographs])


def test_a_checkpoint_where_there_is_no_torch_says_what_runs(checkpoint):
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'ultralytics')));"
        "from yolo_attn.detection.opening import open_detector; open_detector(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(checkpoint)], capture_output=True, text=True)
    assert (
        "ImportError" in done.stderr and "needs torch and ultralytics, without which only ONNX files run" in done.stderr
    )


def test_cores_are_counted_also_where_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert detector_module.cores() == 3
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert detector_module.cores() == 1


def test_settings_of_running_are_checked(exported):
    for wrong in ({"at_once": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match="at_once and batch are at least 1"):
            open_detector(exported["dynamic"], **wrong)


def test_a_folder_goes_through_a_detector(checkpoint, tmp_path: Path, photographs):
    (tmp_path / "a.jpg").write_bytes(photographs[0].read_bytes())
    (result,) = detect_stream(open_detector(checkpoint, DetectionSettings(imgsz=64)), pictures(files(tmp_path)))
    assert result.image.shape == (1080, 810, 3)
