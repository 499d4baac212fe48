"""Class activation maps: against a calculation by hand, on models of every task, and what is refused."""

import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from ultralytics import YOLO

pytest.importorskip("pytorch_grad_cam", reason="pip install 'yolo-attn[cam]'")

from tests.analysis.conftest import IMGSZ
from tests.analysis.test_rotation import checkpoint, yaml
from yolo_attn.analysis import cam
from yolo_attn.analysis.cam.deletion import deletion
from yolo_attn.analysis.cam.input_picture import InputPicture, classifier_input, detector_input
from yolo_attn.analysis.cam.layers import slopes
from yolo_attn.analysis.cam.methods import activation_map, first_component
from yolo_attn.analysis.cam.randomised import rank_correlation, with_shuffled_weights
from yolo_attn.analysis.cam.scoring import Predictions, ScoringNetwork
from yolo_attn.analysis.cam.target import Target, of_box, of_class
from yolo_attn.cli import app
from yolo_attn.detection.letterbox import Letterbox, letterbox
from yolo_attn.layers import LAYERS


class Tiny(nn.Module):
    """Images (1, 3, H, W) -> scores (1, 2, 1): a convolution, a layer, a second convolution and the mean of each of two channels."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.first, self.layer, self.last = nn.Conv2d(3, 8, 3, padding=1), layer, nn.Conv2d(8, 2, 1)

    def forward(self, images):
        return self.last(self.layer(self.first(images.requires_grad_()))).mean((2, 3))[..., None]


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = Tiny(LAYERS["EMA"](8, 4)).double().eval().requires_grad_(False)
    return network, torch.rand(1, 3, 6, 7, dtype=torch.float64)


def test_grad_cam_is_what_its_equations_give_in_float64(tiny):
    """The score is the mean over pixels of w . A, so its gradient by A is w / pixels, and the map w . A / pixels (w of class 1)."""
    network, images = tiny
    found = activation_map("gradcam", network, network.layer, images.clone(), Target(1, torch.tensor([0])))
    features = network.layer(network.first(images))[0]
    expected = torch.einsum("c,chw->hw", network.last.weight[1, :, 0, 0], features) / 42
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


def test_grad_cam_before_ema_has_the_gradient_of_its_definition(tiny):
    """The layer's own backward against differences of the score, in the direction of each channel."""
    network, images = tiny
    target = Target(0, torch.tensor([0]))
    found = activation_map("gradcam", network, network.first, images.clone(), target)
    features, step = network.first(images).detach(), 1e-6
    weights = []
    for channel in range(8):
        sides = []
        for sign in (1, -1):
            moved = features.clone()
            moved[:, channel] += sign * step
            sides.append(network.last(network.layer(moved)).mean((2, 3))[0, 0])
        weights.append((sides[0] - sides[1]) / (2 * step) / 42)  # the mean of the gradient over the pixels
    expected = torch.einsum("c,chw->hw", torch.stack(weights), features[0])
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6, atol=1e-9)


def test_the_first_component_rises_where_the_feature_map_is_strong():
    """Two channels that rise and fall together, in the direction (3, 4) / 5, around a mean; the sign must not depend on theirs."""
    strength = np.arange(12.0).reshape(3, 4)
    for sign in (1, -1):
        found = first_component(sign * np.stack([3 * strength, 4 * strength]) / 5)
        np.testing.assert_allclose(found, strength - strength.mean(), atol=1e-12)


def test_eigencam_runs_through_the_library(tiny):
    network, images = tiny
    found = activation_map("eigencam", network, network.layer, images.clone(), Target(0, torch.tensor([0])))
    np.testing.assert_allclose(found, first_component(network.layer(network.first(images))[0].numpy()), atol=1e-12)


def predictions(scores, boxes=None) -> Predictions:
    values = torch.tensor(scores)[None]
    return Predictions(values, values, boxes)


def test_a_class_is_explained_where_it_is_sure_or_else_at_its_best_place():
    found = predictions([[0.1, 0.3, 0.6, 0.2], [0.0, 0.2, 0.1, 0.05]])
    sure = of_class(found, None, 0.25)
    assert (sure.index, sure.places.tolist()) == (0, [1, 2]) and float(sure(found.scores[0])) == pytest.approx(0.45)
    unsure = of_class(found, 1, 0.25)
    assert (unsure.index, unsure.places.tolist()) == (1, [1])


def test_a_box_is_explained_by_the_prediction_that_fits_it_with_a_good_score():
    """IoU 1, 0.5 and 0 with scores 0.1, 0.8 and 0.9: the products are 0.1, 0.4 and 0."""
    found = predictions([[0.1, 0.2, 0.9], [0.0, 0.8, 0.3]])
    boxes = np.array([[10.0, 10, 20, 20], [10, 10, 20, 30], [50, 50, 60, 60]])
    target = of_box(found, boxes, (10, 10, 20, 20))
    assert (target.index, target.places.tolist(), target.iou) == (1, [1], 0.5)
    with pytest.raises(ValueError, match="predicts nothing that overlaps the box 30,30,40,40"):
        of_box(found, boxes, (30, 30, 40, 40))


class Bright(nn.Module):
    """Scores at one place: the brightness of the top left quarter of the image."""

    def predict(self, images):
        height, width = images.shape[2] // 2, images.shape[3] // 2
        return Predictions(images[:, :1, :height, :width].mean((2, 3))[..., None], images, None)


def test_deletion_falls_at_once_if_the_map_points_at_what_matters():
    square = Letterbox((8, 8), (8, 8), (8, 8), (0, 0))
    picture = InputPicture("a.png", np.zeros((8, 8, 3)), torch.ones(1, 3, 8, 8), square)
    values = np.zeros((4, 4))
    values[:2, :2] = 1
    target, grey = Target(0, torch.tensor([0])), 114 / 255
    found = deletion(Bright(), picture, target, values)
    # 16 cells, of which the first four hold the score: it falls to grey in four of 16 equal steps and stays there.
    assert found.shares == tuple(np.arange(17) / 16)
    np.testing.assert_allclose(found.by_map, [1 - (1 - grey) * min(step, 4) / 4 for step in range(17)], atol=1e-6)
    assert found.area == pytest.approx(grey + (1 - grey) * 4 / 16 / 2)
    assert found.random[0] == pytest.approx(1) and found.random[-1] == pytest.approx(grey)
    assert found.area < found.random_area < deletion(Bright(), picture, target, -values).area


def test_padding_is_not_deleted_and_a_map_is_drawn_where_it_was_computed():
    """A picture of 64 x 32 pixels in 64 x 64: 16 rows above and below, in a map of 4 x 4 one row of cells each."""
    place = letterbox((32, 64), (64, 64), None)
    picture = InputPicture("a.png", np.zeros((32, 64, 3)), torch.zeros(1, 3, 64, 64), place)
    assert picture.inside(4, 4).tolist() == [[False] * 4, [True] * 4, [True] * 4, [False] * 4]
    assert picture.extent == (0, 64, 48, -16)
    assert deletion(Bright(), picture, Target(0, torch.tensor([0])), np.eye(4)).shares[1:3] == (0, 1 / 8)  # 8 cells


def test_shuffled_weights_are_the_same_numbers_in_another_order():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    network[1].running_mean.copy_(torch.rand(8))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    shuffled = with_shuffled_weights(network, 0)
    for name, values in shuffled.state_dict().items():
        assert values.flatten().sort()[0].tolist() == before[name].flatten().sort()[0].tolist()
    assert not torch.equal(shuffled[0].weight, before["0.weight"])
    assert torch.equal(network[0].weight, before["0.weight"])


def test_rank_correlation_counts_cells_inside_alone_and_has_no_value_for_a_flat_map():
    rising, inside = np.arange(6.0).reshape(2, 3), np.array([[True] * 3, [False] * 3])
    assert rank_correlation(rising, np.exp(rising), inside) == pytest.approx(1)
    other = rising.copy()
    other[0] *= -1
    assert rank_correlation(rising, other, inside) == pytest.approx(-1)
    assert np.isnan(rank_correlation(rising, np.ones((2, 3)), inside))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A picture of 64 x 48 pixels."""
    file = tmp_path_factory.mktemp("picture") / "a.png"
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(file), cv2.resize(small, (64, 48)))
    return file


def test_a_detector_reads_a_picture_as_predict_does(detector, picture):
    """The scores of all places hold those of the boxes that `predict` keeps, and the boxes are theirs in pixels of the picture."""
    yolo = YOLO(detector)
    kept = yolo.predict(picture, imgsz=IMGSZ, conf=0.01, verbose=False, device="cpu")[0].boxes
    assert len(kept) > 3
    read = detector_input(picture, IMGSZ, 32)
    with torch.no_grad():
        found = ScoringNetwork(yolo.model).predict(read.tensor)
    boxes, best = read.place.undo(found.boxes[0].numpy()), found.scores[0].max(0).values.numpy()
    for box, score in zip(kept.xyxy.numpy(), kept.conf.numpy(), strict=True):
        distances = np.abs(boxes - box).max(1) + np.abs(best - score)
        assert distances.min() < 1e-3


def test_a_map_can_be_made_after_a_prediction_with_the_same_model(detector, picture):
    """`predict` leaves anchors behind that can have no gradient."""
    yolo = YOLO(detector)
    yolo.predict(picture, imgsz=IMGSZ, verbose=False, device="cpu")
    before = {name: values.clone() for name, values in yolo.model.state_dict().items()}
    (found,) = cam.activation_maps(yolo, picture, imgsz=IMGSZ, device="cpu", checks=False)
    assert found.values.max() > 0
    assert all(torch.equal(values, before[name]) for name, values in yolo.model.state_dict().items())


@pytest.mark.parametrize("stock", ["yolo11-seg.yaml", "yolo11-obb.yaml", "yolo11-pose.yaml", "yolov10n.yaml"])
def test_every_task_and_an_end_to_end_head_have_maps(built, picture, stock):
    (found,) = cam.activation_maps(built(stock), picture, class_name="green", imgsz=IMGSZ, device="cpu", checks=False)
    assert found.kind == "EMA" and found.class_name == "green" and len(found.boxes) >= 1
    assert found.values.shape in {(2, 2), (4, 4), (8, 8)} and np.isfinite(found.values).all()
    assert found.deletion is None and np.isnan(found.shuffled)


def test_oriented_boxes_are_looked_for_by_the_upright_ones_around_them():
    """Half a turn apart a box is the same; a quarter turn swaps width and height; at 45 degrees a side is (4 + 2) / sqrt 2."""
    head = type("Head", (), {"ne": 1})()
    network = type("Network", (), {"head": head})()
    angles = torch.tensor([0, torch.pi, torch.pi / 2, torch.pi / 4])
    rows = torch.stack([torch.tensor([10.0, 20, 4, 2, 0.5])] * 4, 1)
    rows = torch.cat([rows, angles[None]])[None]
    corners = ScoringNetwork._corners(network, rows)[0]
    sides = (corners[:, 2:] - corners[:, :2]).tolist()
    np.testing.assert_allclose(sides, [[4, 2], [4, 2], [2, 4], [6 / 2**0.5] * 2], rtol=1e-5)


def test_a_classifier_explains_what_its_softmax_takes(tmp_path, picture):
    file = checkpoint(tmp_path, yaml("[18, SE(16)]"), imgsz=IMGSZ)
    (found,) = cam.activation_maps(file, picture, class_name="light", device="cpu", checks=False)
    assert (found.kind, found.boxes.shape) == ("SE", (0, 4))
    probability = YOLO(file).predict(picture, verbose=False, device="cpu")[0].probs.data[1]
    assert found.score == pytest.approx(float(probability), abs=1e-5)
    read, network = classifier_input(picture, IMGSZ), ScoringNetwork(YOLO(file).model)
    with torch.no_grad():
        logits = network(read.tensor)[0, :, 0]
    torch.testing.assert_close(logits.softmax(0)[1], probability, atol=1e-5, rtol=0)
    assert logits.sum() != pytest.approx(1)
    with pytest.raises(ValueError, match="a classifier has no boxes; give a class"):
        cam.activation_maps(file, picture, box=(0, 0, 4, 4), device="cpu", checks=False)


def test_by_default_it_is_the_last_attention_layer_that_the_score_depends_on(detector, picture):
    """Scores of the finest map alone cannot depend on the layers behind it."""
    network = ScoringNetwork(YOLO(detector).model)
    read = detector_input(picture, IMGSZ, 32)
    layers = {path: layer for path, layer in network.network.named_modules() if type(layer).__name__ == "EMA"}
    first, *others = layers
    finest = slopes(network, layers, read.tensor, Target(0, torch.tensor([0])))
    assert finest[first] is not None and all(finest[path] is None for path in others)
    last = network(read.tensor).shape[2] - 1
    assert all(
        slope is not None for slope in slopes(network, layers, read.tensor, Target(0, torch.tensor([last]))).values()
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory, detector, picture):
    out, folder = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("two")
    for name in ("a.png", "b.png"):
        shutil.copy(picture, folder / name)
    options = ["--imgsz", IMGSZ, "--device", "cpu", "--class", "red", "--out", out]
    done = CliRunner().invoke(app, ["cam", *map(str, [detector, "--images", folder, *options])])
    assert done.exit_code == 0, done.output
    return out, done.stdout


def test_the_command_writes_maps_and_numbers(output):
    out, printed = output
    assert sorted(path.name for path in out.iterdir()) == ["cam.csv", "cam.json", "cam.png"]
    record, again = json.loads((out / "cam.json").read_text(encoding="utf-8"))["maps"]
    assert again == {**record, "picture": "b.png"}
    assert (record["picture"], record["class"], record["kind"]) == ("a.png", "red", "EMA")
    assert len(record["boxes"]) == record["predictions"]
    scores = record["deletion"]["by_map"]
    assert scores[0] == pytest.approx(record["score"], abs=1e-5) and len(scores) == len(record["deletion"]["shares"])
    assert min(scores) <= record["deletion_area"] <= max(scores)
    assert record["shuffled_weights"] is None or -1 <= record["shuffled_weights"] <= 1
    assert "a.png" in printed and "area under the score" in printed
    assert np.ptp(cv2.imread(str(out / "cam.png"))) > 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--class", "blue"], "the model knows no class blue; its classes are red, green"),
        (["--box", "10,10,70,20"], "a.png: the box 10,10,70,20 is no box in a picture of 64 x 48 pixels"),
        (["--box", "10,10,20"], "--box 10,10,20: is not four numbers; write x1,y1,x2,y2"),
        (["--box", "1,1,9,9", "--class", "red"], "a class and a box are given"),
        (["--row", "99"], "row 99: the model has rows 0 to "),
        (["--row", "-1"], ""),
        (["--images", "TWO", "--box", "1,1,9,9"], "a box belongs to one picture, and 2 are given"),
        (["--method", "lime"], "method lime: there are gradcam and eigencam"),
        (
            ["--row", "25"],
            "model.25, Detect: its output is no single tensor, which is no feature map; give another row",
        ),
        (
            ["--row", "24", "--box", "0,0,4,4"],
            "does not depend on model.24; give a row from which the detection is made",
        ),
        (["--images", "none"], "none: not there; give an image"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_sentence(detector, picture, tmp_path, options, expected):
    for name in ("a.png", "b.png"):
        shutil.copy(picture, tmp_path / name)
    options = [str(tmp_path) if option == "TWO" else option for option in options]
    given = ["cam", str(detector), "--images", str(picture), "--imgsz", str(IMGSZ), "--device", "cpu", "--no-checks"]
    done = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "out"), *options])
    assert done.exit_code != 0 and not (tmp_path / "out").exists()
    if expected:
        assert isinstance(done.exception, FileNotFoundError | ValueError) and expected in str(done.exception)
        assert "\n" not in str(done.exception)


def test_a_model_without_attention_needs_a_row(built, picture):
    file = built("yolov8.yaml", ())
    with pytest.raises(ValueError, match=r"no attention layer.*give the row .* such as --row 21"):
        cam.activation_maps(file, picture)
    (found,) = cam.activation_maps(file, picture, row=9, imgsz=IMGSZ, device="cpu", checks=False, method="eigencam")
    assert (found.layer, found.kind) == ("model.9", "SPPF") and found.values.max() > 0


def test_an_exported_file_and_a_missing_library_are_said(tmp_path, detector, picture, monkeypatch):
    exported = tmp_path / "best.onnx"
    exported.write_bytes(b"onnx")
    with pytest.raises(ValueError, match=r"best\.onnx: is no checkpoint; give the \.pt file"):
        cam.activation_maps(exported, picture)
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(ImportError, match=r"grad-cam is not installed; run `pip install 'yolo-attn\[cam\]'`"):
        next(cam.activation_maps(detector, picture, imgsz=IMGSZ, device="cpu"))
