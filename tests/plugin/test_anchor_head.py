"""A model that ends in AnchorDetect under the stock commands."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn import tasks
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss

from yolo_attn.networks.anchor_loss import AnchorLoss
from yolo_attn.plugin import anchor_head, find

# YOLOv5 v6.0 with 80 classes, and with the layers of the EMA paper's Table 2.
COUNTS = {
    "yolov5s-v6.yaml": 7_235_389,
    "yolov5s-v6-ema.yaml": 7_238_013,
    "yolov5s-v6-cbam.yaml": 7_268_255,
    "yolov5s-v6-ca.yaml": 7_261_037,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_the_networks_are_as_large_as_the_papers(name, count):
    model = YOLO(name).model
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model.stride.tolist() == [8, 16, 32]


def test_the_fused_network_has_the_published_size():
    fused = YOLO("yolov5s-v6.yaml").model.fuse(verbose=False)
    assert sum(parameter.numel() for parameter in fused.parameters()) == 7_225_885


def test_a_fourth_level_has_anchors_of_its_own():
    head = YOLO("yolov5n-v6-p2.yaml").model.model[-1]
    assert head.stride.tolist() == [4, 8, 16, 32]
    assert head.sizes.shape == (4, 3, 2)


def test_the_loss_follows_the_head():
    anchor, free = (YOLO(name).model for name in ("yolov5n-v6.yaml", "yolov5n.yaml"))
    for model in (anchor, free):
        model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, imgsz=640)
    assert isinstance(anchor.init_criterion(), AnchorLoss)
    assert isinstance(free.init_criterion(), v8DetectionLoss)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[[18, 21, 24], 1, AnchorDetect, [nc, [[10, 13], [30, 61]]]]", "2 lists of anchors for 3 levels"),
        ("[[18, 21, 24], 1, AnchorDetect, [nc, [[10, 13, 5], [1, 2], [3, 4]]]]", "are not pairs of width and height"),
        ("[[18, 21, 24], 1, AnchorDetect, []]", "arguments do not fit AnchorDetect"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, row, message):
    text = find("yolov5-v6-ema.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(re.sub(r"\[\[18, 21, 24\].*", row, text), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"mine\.yaml, row 25 .*{message}"):
        YOLO(tmp_path / "mine.yaml")


def trainer_of(model, boxes, resume=False):
    labels = [{"bboxes": np.array([[0.5, 0.5, w / 100, h / 50] for w, h in boxes]), "shape": (50, 100)}]
    return SimpleNamespace(
        model=model,
        args=SimpleNamespace(resume=resume, imgsz=100),
        train_loader=SimpleNamespace(dataset=SimpleNamespace(labels=labels)),
        ema=None,
    )


def model_of(anchors):
    rows = [[-1, 1, "Conv", [8, 3, 2]], *([-1, 1, "Conv", [8, 3, 2]] for _ in range(4))]
    head = [[[2, 3, 4], 1, "AnchorDetect", ["nc", anchors] if anchors else ["nc"]]]
    return DetectionModel({"nc": 2, "backbone": rows, "head": head}, verbose=False)


@pytest.fixture
def lines(monkeypatch):
    written = []
    for level in ("info", "warning"):
        monkeypatch.setattr(anchor_head.LOGGER, level, written.append)
    return written


def test_a_training_says_that_anchors_do_not_fit_and_what_to_do(lines):
    anchor_head.prepare_training(trainer_of(model_of([[2, 2]] * 3), [(2, 2), (60, 40), (50, 45), (3, 4)]))
    assert "fit 50.0% of the training boxes" in lines[0]
    assert "50.0% of the training boxes are more than four times" in lines[1] and "[nc, auto]" in lines[1]


def test_a_training_says_nothing_more_where_anchors_fit(lines):
    anchor_head.prepare_training(trainer_of(model_of(None), [(12, 14), (30, 40)]))
    assert len(lines) == 1 and "fit 100.0%" in lines[0]


def test_auto_computes_the_anchors_once_from_the_training_boxes(lines):
    model = model_of("auto")
    before = model.model[-1].sizes.clone()
    boxes = [tuple(box) for box in np.random.default_rng(0).uniform(3, 48, (60, 2))]
    anchor_head.prepare_training(trainer_of(model, boxes))
    sizes = model.model[-1].sizes.clone()
    assert not torch.equal(sizes, before)
    assert sizes.min() >= 3 and sizes.max() <= 48
    anchor_head.prepare_training(trainer_of(model, [(2, 2)] * 3))
    assert torch.equal(model.model[-1].sizes, sizes), "a second training keeps them"


def test_a_resumed_training_keeps_its_anchors(lines):
    model = model_of("auto")
    before = model.model[-1].sizes.clone()
    anchor_head.prepare_training(trainer_of(model, [(40, 40), (4, 4)], resume=True))
    assert torch.equal(model.model[-1].sizes, before) and lines == []


class OldTrainer(SimpleNamespace):
    """Names its losses itself, as Ultralytics' did before it took the names from the loss."""

    def label_loss_items(self, prefix):
        return [f"{prefix}/{name}" for name in self.loss_names]


def test_an_older_trainer_shows_the_losses_under_their_names(lines, monkeypatch):
    from yolo_attn.networks import anchor_loss

    monkeypatch.setattr(anchor_loss, "LOSSES_HAVE_NAMES", False)
    trainer = OldTrainer(**vars(trainer_of(model_of(None), [(12, 14)])))
    trainer.loss_names = "box_loss", "cls_loss", "dfl_loss"
    trainer.validator = SimpleNamespace(metrics=SimpleNamespace(keys=["metrics/mAP50(B)"]))
    trainer.metrics = {"metrics/mAP50(B)": 0, "val/box_loss": 0, "val/cls_loss": 0, "val/dfl_loss": 0}
    anchor_head.prepare_training(trainer)
    assert trainer.label_loss_items("train") == ["train/box_loss", "train/obj_loss", "train/cls_loss"]
    assert list(trainer.metrics) == ["metrics/mAP50(B)", "val/box_loss", "val/obj_loss", "val/cls_loss"]


@pytest.mark.parametrize("model", [nn.Conv2d(3, 3, 1), YOLO("yolov5n.yaml").model, YOLO("yolov8n-cls.yaml").model])
def test_models_with_another_head_are_left_alone(model, lines):
    anchor_head.prepare_training(SimpleNamespace(model=model))
    assert lines == []


def test_the_papers_detector_for_visdrone_is_as_large_with_nine_blocks_at_stride_8():
    rows = yaml.safe_load(find("yolov5-v6-p2.yaml").read_text(encoding="utf-8"))
    assert rows["backbone"][4][2:] == ["C3", [256]]
    rows["backbone"][4][1] = 9  # of v5.0; v6.0 has six
    with torch.device("meta"):
        model, _ = tasks.parse_model({**rows, "scale": "x", "nc": 10}, ch=3, verbose=False)
    assert sum(parameter.numel() for parameter in model.parameters()) == 90_963_540
