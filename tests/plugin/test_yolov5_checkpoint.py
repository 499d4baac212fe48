"""Checkpoints of YOLOv5 v6 itself: read without its code, and with its outputs."""

import argparse
import datetime
import pathlib
import sys

import numpy as np
import pytest
import torch
from ultralytics import YOLO

from tests.reference import yolov5
from yolo_attn.plugin.yolov5_checkpoint import read_yolov5, save_checkpoint


@pytest.fixture(scope="module")
def original() -> yolov5.Model:
    return yolov5.trained()


def write(path, content, **options):
    with yolov5.as_yolov5():
        torch.save(content, path, **options)
    assert "models.yolo" not in sys.modules
    return path


def outputs(model: yolov5.Model, image: torch.Tensor) -> torch.Tensor:
    """The reference's boxes and scores in the layout of an Ultralytics head, (B, 4 + classes, N)."""
    with torch.no_grad():
        found = model(image)
    return torch.cat([found[..., :4], found[..., 4:5] * found[..., 5:]], 2).transpose(1, 2)


FORMS = {
    "pickled, as `train.py` writes it": lambda model: {
        "epoch": 3,
        "best_fitness": np.array([0.5]),
        "model": model,
        "ema": None,
        "updates": 12,
        "optimizer": torch.optim.SGD(model.parameters(), 0.01).state_dict(),
        "opt": argparse.Namespace(weights="", save_dir=pathlib.PurePosixPath("runs/train/exp")),
        "date": datetime.datetime(2021, 10, 12),
    },
    "a moving average beside the model": lambda model: {"model": yolov5.Model(), "ema": model},
    "a state dict": lambda model: model.state_dict(),
    "a state dict in a checkpoint": lambda model: {"model": model.state_dict()},
    "a state dict of a model in parallel": lambda model: torch.nn.DataParallel(model).state_dict(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_network_gives_what_yolov5_gives(form, original, tmp_path):
    read = read_yolov5(write(tmp_path / "best.pt", form(original))).eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        found = read(image)[0]
    assert found.shape == (2, 4 + 2, 3 * (8 * 12 + 4 * 6 + 2 * 3))
    torch.testing.assert_close(found, outputs(original, image), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(read.model[-1].sizes, torch.tensor(yolov5.ANCHORS, dtype=torch.float32).view(3, 3, 2))


def test_a_file_of_the_older_kind_is_read(original, tmp_path):
    path = write(tmp_path / "best.pt", {"model": original}, _use_new_zipfile_serialization=False)
    assert torch.equal(
        read_yolov5(path).state_dict()["model.0.conv.weight"], original.state_dict()["model.0.conv.weight"]
    )


def test_half_precision_as_in_the_released_files_is_read(tmp_path):
    original = yolov5.trained().half()
    read = read_yolov5(write(tmp_path / "best.pt", {"model": original})).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(read(image)[0], outputs(original.float(), image), rtol=1e-4, atol=1e-4)


def test_names_and_scale_come_along(tmp_path):
    model = read_yolov5(write(tmp_path / "best.pt", {"model": yolov5.Model("s", nc=3)}))
    assert model.names == {0: "kind 0", 1: "kind 1", 2: "kind 2"}
    assert model.yaml["scale"] == "s" and model.model[-1].nc == 3


def test_the_written_checkpoint_opens_and_predicts_the_same(original, tmp_path):
    save_checkpoint(read_yolov5(write(tmp_path / "best.pt", {"model": original})), tmp_path / "mine-v6.pt")
    opened = YOLO(tmp_path / "mine-v6.pt")
    assert opened.task == "detect" and opened.names == {0: "kind 0", 1: "kind 1"}
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(opened.model(image)[0], outputs(original, image), rtol=1e-4, atol=1e-4)
    assert len(opened.predict(np.zeros((64, 64, 3), np.uint8), imgsz=64, verbose=False)) == 1


def test_the_weights_reach_a_model_with_an_attention_row(original, tmp_path):
    save_checkpoint(read_yolov5(write(tmp_path / "best.pt", {"model": original})), tmp_path / "mine-v6.pt")
    model = YOLO("yolov5n-v6-ema.yaml").load(tmp_path / "mine-v6.pt").model
    given, taken = original.state_dict(), model.state_dict()
    assert torch.equal(taken["model.10.cv2.conv.weight"], given["model.9.cv2.conv.weight"])
    assert torch.equal(taken["model.24.cv3.conv.weight"], given["model.23.cv3.conv.weight"])
    torch.testing.assert_close(taken["model.25.sizes"][1, 2], torch.tensor([58.0, 118.0]))
    assert taken["model.25.m.0.weight"].shape[0] == 3 * 85, "80 classes are not the checkpoint's 2: a new head"


class Bomb:
    """Runs a command when it is unpickled the usual way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_nothing_that_the_file_names_is_run(original, tmp_path):
    path = write(tmp_path / "best.pt", {"model": original, "date": Bomb(tmp_path / "touched")})
    read_yolov5(path)
    assert not (tmp_path / "touched").exists()
    torch.load(path.with_name("best.pt"), weights_only=False, pickle_module=_with_yolov5())
    assert (tmp_path / "touched").exists(), "an ordinary reader runs it, so that this test can fail"


def _with_yolov5():
    """Python's own pickle, for as long as the classes of YOLOv5 can be found."""
    import pickle
    from types import SimpleNamespace

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return getattr(yolov5, name) if module.startswith("models.") else super().find_class(module, name)

    return SimpleNamespace(__name__="pickle", Unpickler=Unpickler, load=pickle.load)


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_yolov5(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_other_files_are_refused_in_a_sentence(original, tmp_path):
    path = tmp_path / "best.pt"
    with pytest.raises(FileNotFoundError, match="there is no such checkpoint"):
        read_yolov5(path)
    path.write_bytes(b"no checkpoint at all")
    refused(path, "cannot be read as a PyTorch checkpoint")
    refused(write(path, [1, 2]), "holds neither a model nor a state dict")
    refused(write(path, {"model": None}), "holds neither a model nor a state dict")
    state = original.state_dict()
    focus = {**state, "model.0.conv.weight": torch.zeros(16, 12, 3, 3)}
    refused(write(path, focus), "its first convolution is 16x12x3x3, where v6 has 16, 32, 48, 64, 80 channels of 3x6x6")
    refused(
        write(path, {**state, "model.24.proto.weight": torch.zeros(1)}),
        "1 tensors are not those of YOLOv5 v6 at scale n",
    )
    refused(
        write(path, {key: value for key, value in state.items() if "24" not in key}), "no detection head .* in row 24"
    )
    four = {**state, "model.24.anchors": torch.zeros(4, 3, 2)}
    refused(write(path, four), "model.24.sizes first; only detectors .* with three levels")


def test_an_ordinary_ultralytics_checkpoint_is_refused(tmp_path):
    YOLO("yolov5n.yaml").save(tmp_path / "free.pt")
    refused(tmp_path / "free.pt", "no detection head of YOLOv5 with three levels in row 24")
