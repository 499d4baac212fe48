"""`yolo-attn convert-yolov5` as a user types it."""

import sys

import pytest
import torch
from ultralytics import YOLO

from tests.reference import yolov5
from yolo_attn import cli


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["yolo-attn", "convert-yolov5", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def original(tmp_path):
    model = yolov5.trained(nc=3)
    with yolov5.as_yolov5():
        torch.save({"model": model, "ema": None}, tmp_path / "yolov5n.pt")
    return model


def test_a_checkpoint_is_converted_and_the_next_command_is_shown(run, original, tmp_path):
    code, out, _ = run("yolov5n.pt")
    assert code == 0
    assert "yolov5n-v6.pt: YOLOv5 v6 at scale n, 3 classes, with the weights of yolov5n.pt" in out
    assert "yolo train model=yolov5n-v6-ema.yaml pretrained=yolov5n-v6.pt" in out
    opened = YOLO("yolov5n-v6.pt").model.state_dict()
    assert torch.equal(opened["model.24.m.1.weight"], original.state_dict()["model.24.m.1.weight"])


def test_a_name_that_cannot_be_used_is_refused_before_anything_is_read(run, original, tmp_path):
    for name, message in {
        "yolov5n.pt": "give a new name that ends in .pt",
        "mine.onnx": "give a new name that ends in .pt",
        "yolov5s.pt": "Ultralytics reads yolov5su.pt where it is told this name; give another name, such as yolov5s-v6.pt",
    }.items():
        code, _, error = run("yolov5n.pt", "-o", name)
        assert code == 2 and message in error and error.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["yolov5n.pt"]


def test_a_file_that_is_no_checkpoint_of_yolov5_ends_in_one_line(run, tmp_path):
    code, _, error = run("absent.pt")
    assert code == 2 and error == "yolo-attn: absent.pt: there is no such checkpoint\n"
    YOLO("yolov8n.yaml").save(tmp_path / "free.pt")
    code, _, error = run("free.pt")
    assert (
        code == 2 and "free.pt: is no YOLOv5 v6: its first convolution is 16x3x3x3" in error and error.count("\n") == 1
    )
