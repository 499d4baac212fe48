"""The anchor head of YOLOv5 v6.0: decoding by hand, the loss against loops in float64."""

import math
from types import SimpleNamespace

import pytest
import torch

from tests.reference.anchor_loss import anchor_loss
from yolo_attn.networks.anchor_detect import V6_ANCHORS, AnchorDetect
from yolo_attn.networks.anchor_loss import AnchorLoss

STRIDES = (8.0, 16.0, 32.0, 64.0)


def head(classes: int = 3, widths: tuple[int, ...] = (4, 6, 8), anchors=None) -> AnchorDetect:
    built = AnchorDetect(list(widths), classes, anchors)
    built.stride = torch.tensor(STRIDES[: len(widths)])
    built.bias_init()
    return built


def feature_maps(widths=(4, 6, 8), side: int = 64, batch: int = 2) -> list[torch.Tensor]:
    return [
        torch.randn(batch, width, side // int(s), side // int(s)) for width, s in zip(widths, STRIDES, strict=False)
    ]


def test_a_cell_is_decoded_as_by_hand():
    built = head(classes=2).eval()
    with torch.no_grad():
        for layer in built.m:
            layer.weight.zero_()
            layer.bias.zero_()
        # Level 1, anchor 2 of v6.0 is 59 x 119: logits 0 mean the middle of the cell and the anchor's own size.
        bias = built.m[1].bias.view(3, 7)
        bias[2] = torch.tensor([math.log(3), 0.0, math.log(3), 0.0, math.log(3), math.log(1 / 3), math.log(4)])
        out, _ = built(feature_maps(batch=1))
    assert out.shape == (1, 6, 3 * (64 + 16 + 4))
    level = (
        out[0, :, 3 * 64 : 3 * 80].unflatten(1, (3, 16))[:, 2].unflatten(1, (4, 4))
    )  # anchor 2 of level 1, (6, H, W)
    # sigmoid(log 3) = 3/4: x is 2 * 3/4 - 1/2 = 1 cell right of the corner, the width (2 * 3/4)^2 = 9/4 anchors.
    expected = torch.tensor([(2 + 1) * 16, (1 + 0.5) * 16, 59 * 9 / 4, 119, 3 / 4 * 1 / 4, 3 / 4 * 4 / 5])
    torch.testing.assert_close(level[:, 1, 2], expected)


def test_boxes_are_corners_where_the_exporter_asks_for_them():
    torch.manual_seed(0)
    built = head().double().eval()  # in float32 the difference of two corners loses digits
    maps = [entry.double() for entry in feature_maps()]
    centres = built(maps)[0]
    built.xyxy = True
    corners = built(maps)[0]
    torch.testing.assert_close((corners[:, :2] + corners[:, 2:4]) / 2, centres[:, :2])
    torch.testing.assert_close(corners[:, 2:4] - corners[:, :2], centres[:, 2:4])


TARGETS = [
    (0, 1, 0.50, 0.50, 0.30, 0.30),  # on the corner of four cells
    (0, 2, 0.01, 0.99, 0.05, 0.04),  # in the lower left corner, no neighbour outside
    (1, 0, 0.52, 0.53, 0.90, 0.80),
    (1, 1, 0.52, 0.53, 0.88, 0.82),  # the same cell and anchors
    (1, 2, 0.30, 0.71, 0.002, 0.9),  # fits no anchor
]


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("widths", [(4, 6, 8), (4, 6, 8, 8)])
@pytest.mark.parametrize("targets", [TARGETS, TARGETS[:1], []])
def test_the_loss_is_that_of_the_description(classes, widths, targets):
    torch.manual_seed(0)
    built = head(classes, widths).double()
    built.stride = built.stride.double()
    targets = [(image, kind % classes, *box) for image, kind, *box in targets]
    maps = [entry.double() for entry in feature_maps(widths)]
    outputs = built.train()(maps)
    model = SimpleNamespace(model=[built], args=SimpleNamespace(box=7.5, cls=0.5, imgsz=320))
    table = torch.tensor(targets, dtype=torch.float64).view(-1, 6)
    batch = {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}
    loss, parts = AnchorLoss(model)(outputs, batch)
    anchors = (built.sizes / built.stride[:, None, None]).tolist()
    expected = anchor_loss(outputs["raw"], targets, anchors, classes, 320)
    assert list(parts) == ["box_loss", "obj_loss", "cls_loss"]
    for value, wanted in zip(parts.values(), expected, strict=True):
        assert float(value) == pytest.approx(wanted, rel=1e-5, abs=1e-9)
    assert loss.item() == pytest.approx(2 * sum(expected), rel=1e-5, abs=1e-9), "times the two images of the batch"


def test_a_trainer_that_names_losses_itself_is_given_their_values(monkeypatch):
    built, table = head().train(), torch.tensor(TARGETS)
    outputs = built(feature_maps())
    batch = {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}
    loss = AnchorLoss(SimpleNamespace(model=[built], args=SimpleNamespace(imgsz=64)))
    named = loss(outputs, batch)[1]
    monkeypatch.setattr("yolo_attn.networks.anchor_loss.LOSSES_HAVE_NAMES", False)
    assert loss(outputs, batch)[1].tolist() == [float(value) for value in named.values()]


def test_a_head_of_an_older_ultralytics_gives_a_list_of_maps(monkeypatch):
    monkeypatch.setattr("yolo_attn.networks.anchor_detect.OUTPUTS_HAVE_NAMES", False)
    built = head().train()
    outputs = built(feature_maps())
    assert [tuple(entry.shape[-2:]) for entry in outputs] == [(8, 8), (4, 4), (2, 2)]
    assert built.raw_maps(outputs) is outputs
    assert [entry.shape for entry in built.raw_maps(built.eval()(feature_maps()))] == [entry.shape for entry in outputs]


def test_every_level_gets_a_finite_gradient():
    built = head().train()
    outputs = built(feature_maps())
    model = SimpleNamespace(model=[built], args=SimpleNamespace(imgsz=64))
    table = torch.tensor(TARGETS)
    AnchorLoss(model)(outputs, {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]})[0].backward()
    for layer in built.m:
        assert layer.weight.grad.isfinite().all() and layer.weight.grad.abs().sum() > 0


def test_the_gains_follow_the_training_arguments():
    built = head().train()
    outputs, table = built(feature_maps()), torch.tensor(TARGETS[:1])
    batch = {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}

    def parts(**args):
        return AnchorLoss(SimpleNamespace(model=[built], args=SimpleNamespace(**args)))(outputs, batch)[1]

    usual, changed = parts(imgsz=640), parts(imgsz=320, box=15.0, cls=0.25)
    assert float(changed["box_loss"]) == pytest.approx(2 * float(usual["box_loss"]))
    assert float(changed["cls_loss"]) == pytest.approx(float(usual["cls_loss"]) / 2)
    assert float(changed["obj_loss"]) == pytest.approx(float(usual["obj_loss"]) / 4)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        (V6_ANCHORS[:2], "2 lists of anchors for 3 levels"),
        ([[10, 13, 16], [1, 2, 3], [1, 2, 3]], "are not pairs of width and height"),
        ([[10, 13], [1, 2, 3, 4], [1, 2]], "give each level as many"),
        ([[10, -13], [1, 2], [1, 2]], "are not pairs"),
        ("automatic", "neither a list for each level nor auto"),
    ],
)
def test_anchors_that_do_not_fit_the_levels_are_refused(anchors, message):
    with pytest.raises(ValueError, match=message):
        AnchorDetect([4, 6, 8], 3, anchors)


def test_levels_without_default_anchors_are_refused():
    with pytest.raises(ValueError, match="2 levels have no default anchors"):
        AnchorDetect([4, 6], 3)
