"""`yolo-attn predict`: what it writes, what it says, and that it needs no torch."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_attn.detection.detections import Detections, visdrone_categories
from yolo_attn.detection.drawing import draw_boxes
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.predict import Outputs, predict
from yolo_attn.visdrone.annotations import NAMES, read

PROGRAM = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'ultralytics', 'onnx', 'PIL', 'yaml')));"
)
ROOT = Path(__file__).parents[2]


def without_torch(code: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run code where torch and what comes with it cannot be imported."""
    return subprocess.run([sys.executable, "-c", PROGRAM + code], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures) -> Path:
    """Two pictures and one that is none."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("bus.jpg", "zidane.jpg"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_the_command_runs_without_torch_and_ultralytics(exported, folder, tmp_path):
    arguments = ["predict", "--model", str(exported["dynamic"]), "--source", str(folder), "--out", "out", "--draw"]
    code = (
        f"sys.argv = ['yolo-attn', *{[*arguments, '--json', '--visdrone']!r}]; from yolo_attn.cli import main; main()"
    )
    done = without_torch(code, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "broken.jpg: no image that OpenCV can read" in done.stderr
    assert "2 pictures" in done.stderr and "1 files unreadable" in done.stderr
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["bus.jpg", "bus.txt", "detections.json", "zidane.jpg", "zidane.txt"]


def test_a_blocked_module_would_be_noticed(tmp_path):
    assert without_torch("import yolo_attn.deploy.export", tmp_path).returncode != 0


def test_what_is_written_says_the_same_in_json_and_visdrone_form(exported, folder, tmp_path):
    predictor = OnnxDetector(exported["dynamic"])
    done = predict(predictor, folder, Outputs(tmp_path, json=True, visdrone=True))
    assert (done.pictures, len(done.unreadable)) == (2, 1)
    entries = json.loads((tmp_path / "detections.json").read_text())
    assert [Path(entry["image"]).name for entry in entries] == ["bus.jpg", "zidane.jpg"]
    assert (entries[0]["width"], entries[0]["height"]) == (810, 1080)
    for entry in entries:
        rows = read(tmp_path / f"{Path(entry['image']).stem}.txt")
        found = entry["detections"]
        assert len(rows) == len(found) > 5
        assert [NAMES[int(kind) - 1] for kind in rows[:, 5]] == [one["class"] for one in found]
        boxes = np.array([one["box"] for one in found])
        np.testing.assert_allclose(rows[:, :4], np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], atol=0.02)
        np.testing.assert_allclose(rows[:, 4], [one["score"] for one in found], atol=1e-5)
        assert (rows[:, 6:] == -1).all() and (np.diff(rows[:, 4]) <= 0).all()
    assert sum(done.boxes.values()) == sum(len(entry["detections"]) for entry in entries)


def test_json_goes_to_standard_output_without_a_folder_and_is_an_array_even_when_empty(exported, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"")
    predict(OnnxDetector(exported["dynamic"]), tmp_path, Outputs(json=True))
    assert json.loads(capsys.readouterr().out) == []


def test_a_video_is_drawn_frame_by_frame(exported, pictures, tmp_path):
    frame = cv2.resize(cv2.imread(str(pictures / "bus.jpg")), (160, 128))
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 128))
    for _ in range(4):
        writer.write(frame)
    writer.release()
    done = predict(
        OnnxDetector(exported["dynamic"]), tmp_path / "film.avi", Outputs(tmp_path / "out", drawn=True, json=True)
    )
    assert done.pictures == 4
    video = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
    assert [video.read()[0] for _ in range(5)] == [True] * 4 + [False]
    assert [entry["frame"] for entry in json.loads((tmp_path / "out" / "detections.json").read_text())] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("names", "outputs", "message"),
    [
        (["a.jpg"], Outputs(drawn=True), "give --out"),
        (["a.jpg"], Outputs(Path("source"), drawn=True), "would overwrite"),
        (["a.jpg", "a.png"], Outputs(Path("out"), visdrone=True), "two files are called a"),
        (["a.txt"], Outputs(), "holds neither image nor video"),
        ([], Outputs(), "holds neither image nor video"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(exported, tmp_path, monkeypatch, names, outputs, message):
    monkeypatch.chdir(tmp_path)
    Path("source").mkdir()
    for name in names:
        Path("source", name).write_bytes(b"x")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        predict(OnnxDetector(exported["fixed"]), "source", outputs)
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["source", *names])


def test_boxes_of_classes_that_visdrone_does_not_have_are_left_out():
    names = {0: "Car", 1: "zebra", 2: "awning tricycle"}
    categories = visdrone_categories(names)
    assert categories == {0: 4, 2: 8}
    found = Detections(np.array([[1, 2, 4, 8]] * 3, np.float32), np.float32([0.9, 0.5, 0.25]), np.array([1, 2, 0]))
    expected = [[1, 2, 3, 6, 0.5, 8, -1, -1], [1, 2, 3, 6, 0.25, 4, -1, -1]]
    np.testing.assert_array_equal(found.as_visdrone(categories), expected)
    with pytest.raises(ValueError, match="VisDrone has none of the classes zebra"):
        visdrone_categories({0: "zebra"})


def test_drawing_marks_the_border_and_leaves_the_image_alone():
    image = np.zeros((100, 120, 3), np.uint8)
    found = Detections(np.array([[10, 30, 60, 80]], np.float32), np.float32([0.9]), np.array([0]))
    drawn = draw_boxes(image, found, {0: "car"})
    assert not image.any()
    assert drawn[80, 20:50].any(1).all() and drawn[40:70, 10].any(1).all()  # the lower and the left edge
    assert not drawn[50:70, 20:50].any() and not drawn[90:].any()
