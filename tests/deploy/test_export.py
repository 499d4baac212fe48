"""`yolo-attn export`: the note beside the file, boxes on pictures, and one sentence for whatever a user can cause."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ultralytics import YOLO
from ultralytics.utils import ASSETS

from yolo_attn import cli
from yolo_attn.deploy import boxes, parity
from yolo_attn.deploy import export as export_module
from yolo_attn.deploy.boxes import BoxComparison, match
from yolo_attn.deploy.export import export


def command(monkeypatch, capsys, *arguments: object) -> str:
    """The last line on standard error of a command that must end with exit code 2."""
    monkeypatch.setattr(sys, "argv", ["yolo-attn", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def exported_with_pictures(trained, tmp_path_factory):
    yolo = YOLO(trained)
    return export(yolo, imgsz=96, dynamic=True, images=[ASSETS / "bus.jpg"], verbose=False)


def test_the_note_says_what_the_file_is_and_what_was_compared(exported_with_pictures):
    exported = exported_with_pictures
    note = json.loads(Path(f"{exported.file}.json").read_text(encoding="utf-8"))
    assert note["sha256"] == hashlib.sha256(exported.file.read_bytes()).hexdigest()
    assert note["names"] == {"0": "bright", "1": "dark"} and note["imgsz"] == [96, 96] and note["dynamic"] is True
    assert note["task"] == "detect" and note["format"] == "onnx"
    assert {"python", "yolo-attn", "ultralytics", "torch", "onnx", "onnxruntime"} <= set(note["versions"])
    assert note["tolerance"] == {"pixels": 0.05, "probability": 1e-6, "logit": 2e-3, "relative": 1e-4}
    shapes = [entry["shape"] for entry in note["comparisons"]]
    assert shapes == [[1, 3, 96, 96], [1, 3, 64, 192], [3, 3, 64, 192], [3, 3, 192, 64]]
    assert [entry["kind"] for entry in note["comparisons"][0]["differences"]] == ["boxes", "scores"]
    assert [(entry["image"], entry["unmatched"]) for entry in note["boxes"]] == [(str(ASSETS / "bus.jpg"), 0)]


def test_the_summary_names_the_largest_difference_of_every_kind(exported_with_pictures):
    assert "agrees with torch at 4 input shapes" in exported_with_pictures.summary
    largest = max(comparison.differences[0].largest for comparison in exported_with_pictures.comparisons)
    assert f"boxes to {largest:.0e} px" in exported_with_pictures.summary


def test_a_format_that_cannot_run_here_is_refused_before_the_export(trained, monkeypatch, capsys):
    monkeypatch.setattr(export_module.platform, "system", lambda: "Linux")
    line = command(monkeypatch, capsys, "export", trained, "--format", "coreml")
    assert "runs on macOS alone" in line and "--no-verify" in line
    assert not Path(trained).with_suffix(".mlpackage").exists()


def test_boxes_without_a_partner_refuse_the_file(trained, monkeypatch):
    unmatched = (BoxComparison(image="bus.jpg", count=7, pixels=0.0, score=0.0, unmatched=2),)
    monkeypatch.setattr(boxes, "compare_boxes", lambda *_given, **_settings: unmatched)
    with pytest.raises(parity.ParityError, match=r"2 boxes have no partner .* on bus\.jpg, where the model finds 7"):
        export(trained, imgsz=96, images=[ASSETS / "bus.jpg"], verbose=False)


@pytest.mark.parametrize(
    ("expected", "given", "unmatched"),
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
        ([[0, 0, 9, 9, 0.9, 1]], [], 1),
        ([[0, 0, 9, 9, 0.9, 1]], [[0, 0, 9, np.nan, 0.9, 1]], 2),
        ([], [], 0),
    ],
)
def test_boxes_are_matched_by_class_place_and_score(expected, given, unmatched):
    rows = (np.array(rows, float).reshape(-1, 6) for rows in (expected, given))
    assert match(*rows, 0.25)[2] == unmatched


def test_boxes_are_compared_from_a_score_of_five_hundredths_on():
    class Network:
        def __init__(self, *scores: float) -> None:
            self.rows = [[0, 0, 9, 9, score, 1] for score in scores]

        def predict(self, image: str, conf: float, **settings: object) -> list:
            rows = torch.tensor([row for row in self.rows if row[4] >= conf]).reshape(-1, 6)
            return [SimpleNamespace(boxes=SimpleNamespace(data=rows))]

    for score, unmatched in ((0.051, 1), (0.0495, 0), (0.04, 0)):
        (comparison,) = boxes.compare_boxes(Network(score), Network(), ["a.jpg"])
        assert (comparison.image, comparison.unmatched) == ("a.jpg", unmatched)
    # What scores just below is found, so that what scores just above on the other side has its partner.
    assert boxes.compare_boxes(Network(0.0495), Network(0.0502), ["a.jpg"])[0].unmatched == 0


def test_what_is_given_for_a_model_and_is_none_ends_in_one_sentence(tmp_path, monkeypatch, capsys, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "list.yaml").write_text("- 1\n", encoding="utf-8")
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "model.txt").write_text("x", encoding="utf-8")
    wrong = {data: "cannot be opened", "cut.pt": "cannot be opened", "empty.pt": "cannot be opened"}
    wrong |= {"list.yaml": "cannot be opened", "folder.pt": "a folder", "model.txt": "no model that torch can run"}
    for model, reason in wrong.items():
        line = command(monkeypatch, capsys, "export", model)
        assert line.startswith(f"yolo-attn: {model}: {reason}") and line.endswith("(.pt) or a model YAML")
    assert "not there" in command(monkeypatch, capsys, "export", "nowhere.yaml")


def test_pictures_that_cannot_be_compared_are_named_before_the_export(tmp_path, monkeypatch, capsys, trained):
    torn, empty, film = tmp_path / "torn.jpg", tmp_path / "empty", tmp_path / "film.mp4"
    torn.write_bytes(b"\xff\xd8 no picture")
    empty.mkdir()
    film.touch()
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.setattr(export_module, "_stock_export", lambda *_given, **_more: pytest.fail("exported all the same"))
    assert str(torn) in command(monkeypatch, capsys, "export", trained, "--images", torn)
    folder = tmp_path / "folder.jpg"
    assert str(folder) in command(monkeypatch, capsys, "export", trained, "--images", folder)
    assert str(empty) in command(monkeypatch, capsys, "export", trained, "--images", empty)
    assert "film.mp4: no image by its name" in command(monkeypatch, capsys, "export", trained, "--images", film)
    with pytest.raises(FileNotFoundError, match=r"no image nowhere\.jpg"):
        export(trained, images=["nowhere.jpg"])


def test_boxes_are_compared_for_detectors_only():
    with pytest.raises(ValueError, match=r"one for classify; boxes on images are compared for detect only"):
        export("yolov8n-cls.yaml", images=[ASSETS / "bus.jpg"])


@pytest.mark.parametrize("size", ["abc", "640,", "0", "-32", "1,2,3"])
def test_sizes_that_are_none_are_refused(size, monkeypatch, capsys):
    assert "is no size" in command(monkeypatch, capsys, "export", "yolov5n.yaml", f"--imgsz={size}")


def test_a_disk_that_cannot_be_written_ends_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yolov5n.onnx").mkdir()  # stands where the file should go, as a folder that is read-only does
    line = command(monkeypatch, capsys, "export", "yolov5n.yaml", "--imgsz", "32", "--no-simplify")
    assert line.startswith("yolo-attn: export: the stock export to onnx failed (")


def test_a_layer_that_is_wrong_in_the_format_is_named_by_the_refusal_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.yaml").write_text(
        "nc: 3\nbackbone:\n  - [-1, 1, Conv, [32, 3, 2]]\n  - [-1, 1, DMSA, []]\nhead:\n  - [[1], 1, Detect, [nc]]\n",
        encoding="utf-8",
    )
    line = command(monkeypatch, capsys, "export", tmp_path / "model.yaml", "--format", "ncnn", "--imgsz", "32")
    assert line.startswith("yolo-attn: row 1 (DMSA): DMSA cannot be exported to ncnn, ") and "export to another" in line
    assert "stock export" not in line


def test_a_file_for_a_rockchip_processor_is_not_made_where_it_cannot_be_compared(trained, monkeypatch, capsys):
    monkeypatch.setattr(export_module.platform, "machine", lambda: "x86_64")
    line = command(monkeypatch, capsys, "export", trained, "--format", "rknn")
    assert "a rknn file runs on a Rockchip processor alone" in line and "--no-verify" in line


def test_a_file_whose_runtime_is_not_here_is_made_unverified_alone(tmp_path, monkeypatch):
    def no_runtime(_file):
        raise OSError("only on another device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export_module, "metadata", no_runtime)
    with pytest.raises(ValueError, match=r"does not open here \(OSError: only on another device\).* add --no-verify"):
        export("yolov5n-eca.yaml", imgsz=[32, 64], simplify=False, verbose=False)
    exported = export("yolov5n-eca.yaml", verify=False, imgsz=[32, 64], simplify=False, verbose=False)
    assert exported.imgsz == (32, 64) and exported.comparisons == () and len(exported.names) == 80


def test_a_note_that_cannot_be_written_leaves_the_old_one_whole(exported_with_pictures, monkeypatch):
    old = exported_with_pictures.note.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        exported_with_pictures.write_note()
    assert exported_with_pictures.note.read_bytes() == old
    assert not list(exported_with_pictures.file.parent.glob("*.partial"))
