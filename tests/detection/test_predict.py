"""`predict`: what it writes, what it says, and that it needs no torch and replaces nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from yolo_attn import cli
from yolo_attn.detection import writers
from yolo_attn.detection.detections import Detections, visdrone_categories
from yolo_attn.detection.drawing import draw_boxes
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.output_folder import JOURNAL
from yolo_attn.detection.predict import Outputs, predict
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.visdrone.annotations import NAMES, read

BLOCKED = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'ultralytics', 'onnx', 'PIL', 'yaml')));"
)


def without_torch(code: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run code where torch and what comes with it cannot be imported."""
    return subprocess.run([sys.executable, "-c", BLOCKED + code], cwd=cwd, capture_output=True, text=True)


def film(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> None:
    codec = {".avi": "MJPG", ".mp4": "mp4v"}[path.suffix]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, size)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 5 * number, np.uint8))
    writer.release()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def detector(exported) -> OnnxDetector:
    return OnnxDetector(exported["dynamic"], DetectionSettings(imgsz=96))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures) -> Path:
    """Two pictures and one that is none."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("bus.jpg", "zidane.jpg"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("tiles", [[], ["--tiles", "3x2", "--overlap", "0.1", "--merge", "greedy"]], ids=["", "tiles"])
@pytest.mark.parametrize("verb", [["predict", "--draw", "--json", "--visdrone"], ["visdrone", "predict"]])
def test_an_onnx_file_runs_without_torch_and_ultralytics(exported, folder, tmp_path, verb, tiles):
    source = "--images" if verb[0] == "visdrone" else "--source"
    arguments = [*verb, *tiles, "--model", str(exported["dynamic"]), source, str(folder), "--out", "out"]
    done = without_torch(f"sys.argv = ['yolo-attn', *{arguments!r}]; from yolo_attn.cli import main; main()", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "broken.jpg: no image that OpenCV can read" in done.stderr
    written = {path.name for path in (tmp_path / "out").iterdir()}
    if verb[0] == "visdrone":
        assert "2 detection files written, 0 were there" in done.stdout
        assert written == {"bus.txt", "zidane.txt", "settings.json"}
    else:
        assert "2 pictures" in done.stderr and "1 files unreadable" in done.stderr
        assert written == {"bus.jpg", "bus.txt", "detections.json", "zidane.jpg", "zidane.txt", JOURNAL}


def test_a_blocked_module_would_be_noticed(tmp_path):
    assert without_torch("import yolo_attn.detection.torch_detector", tmp_path).returncode != 0


def test_what_is_written_says_the_same_in_json_and_visdrone_form(exported, folder, tmp_path):
    done = predict(OnnxDetector(exported["dynamic"]), folder, Outputs(tmp_path, json=True, visdrone=True))
    assert (done.pictures, len(done.unreadable)) == (2, 1)
    entries = json.loads((tmp_path / "detections.json").read_text())
    assert [Path(entry["image"]).name for entry in entries] == ["bus.jpg", "zidane.jpg"]
    assert (entries[0]["width"], entries[0]["height"]) == (810, 1080)
    for entry in entries:
        rows = read(tmp_path / f"{Path(entry['image']).stem}.txt")
        boxes = np.array([detection["box"] for detection in entry["detections"]])
        assert len(rows) == len(boxes) > 5
        assert [NAMES[int(category) - 1] for category in rows[:, 5]] == [
            detection["class"] for detection in entry["detections"]
        ]
        np.testing.assert_allclose(rows[:, :4], np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], atol=0.02)
        np.testing.assert_allclose(rows[:, 4], [detection["score"] for detection in entry["detections"]], atol=1e-5)
        assert (rows[:, 6:] == -1).all() and (np.diff(rows[:, 4]) <= 0).all()
    assert sum(done.boxes.values()) == sum(len(entry["detections"]) for entry in entries)


@pytest.mark.parametrize(
    ("file", "tiles"), [("pt", None), ("dynamic", None), ("fixed", None), ("batch3", None), ("dynamic", "500")]
)
def test_both_verbs_find_the_same_boxes_in_the_same_file(exported, checkpoint, folder, tmp_path, file, tiles):
    model = ["--model", exported.get(file, checkpoint), "--device", "cpu", *(["--imgsz", 128] if file == "pt" else [])]
    like_protocol = ["--conf", 0.001, "--max-det", 500, "--multi-label", "--no-exif", "--visdrone"]
    if tiles:
        model += ["--tiles", tiles, "--no-whole"]
    for arguments in (
        ["predict", *model, "--source", folder, "--out", tmp_path / "a", *like_protocol],
        ["visdrone", "predict", *model, "--images", folder, "--out", tmp_path / "b"],
    ):
        assert CliRunner().invoke(cli.app, [*map(str, arguments)]).exit_code == 1  # of broken.jpg
    for name in ("bus.txt", "zidane.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        rows = read(tmp_path / "a" / name)
        assert len(rows) > 50 and len(np.unique(rows[:, :4], axis=0)) < len(rows)


def test_json_goes_to_standard_output_without_a_folder_and_is_an_array_even_when_empty(detector, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"")
    predict(detector, tmp_path, Outputs(json=True))
    assert json.loads(capsys.readouterr().out) == []


def test_videos_are_drawn_frame_by_frame_each_into_its_own_file(detector, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    film(source / "a.avi", 4)
    film(source / "b.mp4", 3)
    done = predict(detector, source, Outputs(out, drawn=True, json=True, visdrone=True))
    assert done.pictures == 7
    for name, frames in (("a", 4), ("b", 3)):
        video = cv2.VideoCapture(str(out / f"{name}.mp4"))
        brightness = []
        while (frame := video.read())[0]:
            brightness.append(int(frame[1].min()))
        assert len(brightness) == frames
        assert brightness == sorted(brightness)  # in order: every frame of `film` is brighter than the one before
        assert {path.name for path in out.glob(f"{name}_*.txt")} == {f"{name}_{n:07}.txt" for n in range(1, frames + 1)}
    entries = json.loads((out / "detections.json").read_text())
    assert [(Path(entry["image"]).name, entry["frame"]) for entry in entries] == [
        *(("a.avi", number) for number in (1, 2, 3, 4)),
        *(("b.mp4", number) for number in (1, 2, 3)),
    ]


def test_a_run_replaces_what_it_wrote_before_and_changes_nothing_else(detector, folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    outputs = Outputs(tmp_path, drawn=True, json=True, visdrone=True)
    predict(detector, folder, outputs)
    before = contents(tmp_path)
    predict(detector, folder, outputs)
    assert contents(tmp_path) == before
    assert before["notes.txt"] == b"mine" and {"bus.jpg", "bus.txt", "detections.json"} < before.keys()


def test_labels_and_pictures_beside_the_source_are_not_touched(detector, pictures, tmp_path):
    (tmp_path / "a.jpg").write_bytes((pictures / "bus.jpg").read_bytes())
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    before = contents(tmp_path)
    for outputs, clash in (
        (Outputs(tmp_path, json=True, visdrone=True), r"a\.txt was not written by an earlier run"),
        (Outputs(tmp_path, drawn=True), r"a\.jpg is itself an input"),
    ):
        with pytest.raises(FileExistsError, match=clash):
            predict(detector, tmp_path, outputs)
        assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "outputs", "message"),
    [
        (["a.jpg"], Outputs(drawn=True), "give --out"),
        (["a.jpg"], Outputs(visdrone=True), "give --out"),
        (["a.jpg"], Outputs(Path("source"), drawn=True), r"a\.jpg is itself an input"),
        (["a.jpg", "a.png"], Outputs(Path("out"), visdrone=True), r"would both become out.a\.txt"),
        (["a.avi", "a.mp4"], Outputs(Path("out"), drawn=True), r"would both become out.a\.mp4"),
        (["a.txt"], Outputs(), "holds no image or video"),
        ([], Outputs(), "holds no image or video"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(detector, tmp_path, monkeypatch, names, outputs, message):
    monkeypatch.chdir(tmp_path)
    Path("source").mkdir()
    for name in names:
        Path("source", name).write_bytes(b"x")
    with pytest.raises((ValueError, OSError), match=message):
        predict(detector, "source", outputs)
    assert {path.name for path in tmp_path.rglob("*")} == {"source", *names}


def test_an_interrupted_run_leaves_whole_files_that_the_next_one_may_replace(detector, pictures, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (source / name).write_bytes((pictures / "bus.jpg").read_bytes())
    film(source / "c.avi", 9)
    outputs = Outputs(out, drawn=True, json=True, visdrone=True)

    def stop(line: str) -> None:
        if "frame 5" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(detector, source, outputs, stop)
    frames = {f"c_{number:07}.txt" for number in range(1, 5)}
    assert contents(out).keys() == {"a.jpg", "a.txt", "b.jpg", "b.txt", *frames, JOURNAL}
    assert predict(detector, source, outputs).pictures == 11
    assert {"c.mp4", "detections.json", "c_0000009.txt"} < contents(out).keys()


LIMITED = """
import resource, sys
from pathlib import Path
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.predict import Outputs, predict
detector = OnnxDetector(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
try:
    predict(detector, sys.argv[2], Outputs(Path("out"), **{sys.argv[3]: True}))
except OSError as error:
    print(f"{error.filename}: {error.strerror}" if error.filename else error)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a limit on file sizes stands for a full disk")
@pytest.mark.parametrize(
    ("kind", "name", "limit", "message"),
    [
        ("drawn", "a.jpg", 4096, "out/a.jpg: File too large"),
        ("drawn", "a.avi", 1024, "a.avi: its drawn video cannot be written whole to out; is the disk full?"),
        ("json", "a.jpg", 64, "out/detections.json: File too large"),
        ("visdrone", "a.jpg", 64, "out/a.txt: File too large"),
    ],
)
def test_a_full_disk_is_named_and_leaves_no_cut_file(exported, pictures, tmp_path, kind, name, limit, message):
    if name == "a.avi":
        film(tmp_path / name, 30)
    else:
        (tmp_path / name).write_bytes((pictures / "bus.jpg").read_bytes())
    arguments = [str(exported["dynamic"]), name, kind, str(limit)]
    done = subprocess.run([sys.executable, "-c", LIMITED, *arguments], cwd=tmp_path, capture_output=True, text=True)
    (line,) = done.stdout.splitlines()
    assert message in line, done.stderr
    assert contents(tmp_path / "out").keys() <= {JOURNAL}


def test_a_video_that_opencv_cannot_write_is_named(detector, tmp_path, monkeypatch):
    film(tmp_path / "a.avi", 2)
    monkeypatch.setattr(writers, "drawing_name", lambda path: "a.unknown")
    with pytest.raises(OSError, match=r"a\.avi: OpenCV cannot write a drawn video of it"):
        predict(detector, tmp_path / "a.avi", Outputs(tmp_path / "out", drawn=True))
    assert contents(tmp_path / "out") == {}


def test_boxes_of_classes_that_visdrone_does_not_have_are_left_out():
    names = {0: "Car", 1: "zebra", 2: "awning tricycle"}
    categories = visdrone_categories(names)
    assert categories == {0: 4, 2: 8}
    detections = Detections(np.array([[1, 2, 4, 8]] * 3, np.float32), np.float32([0.25, 0.9, 0.5]), np.array([0, 1, 2]))
    expected = [[1, 2, 3, 6, 0.5, 8, -1, -1], [1, 2, 3, 6, 0.25, 4, -1, -1]]
    np.testing.assert_array_equal(detections.as_visdrone(categories), expected)
    with pytest.raises(ValueError, match="VisDrone has none of the classes zebra"):
        visdrone_categories({0: "zebra"})


def test_drawing_marks_the_border_and_leaves_the_image_alone():
    image = np.zeros((100, 120, 3), np.uint8)
    detections = Detections(np.array([[10, 30, 60, 80]], np.float32), np.float32([0.9]), np.array([0]))
    drawn = draw_boxes(image, detections, {0: "car"})
    assert not image.any()
    assert drawn[80, 20:50].any(1).all() and drawn[40:70, 10].any(1).all()  # the lower and the left edge
    assert not drawn[50:70, 20:50].any() and not drawn[90:].any()
