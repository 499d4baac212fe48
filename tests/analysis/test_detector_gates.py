"""`yolo-attn gates` on models of every task that detects, and the score with a gate replaced."""

import csv
import json
import re

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from ultralytics import YOLO

from tests.analysis.conftest import IMGSZ, SQUARE, pictures
from tests.analysis.test_gates import Brightness, by_channel
from tests.analysis.test_rotation import checkpoint, draw, yaml
from yolo_attn.analysis import gates
from yolo_attn.analysis.counterfactual import counterfactual
from yolo_attn.analysis.detection_scores import DetectionScores
from yolo_attn.analysis.evaluation import ClassifierEvaluation, evaluation
from yolo_attn.analysis.layer_gates import measure
from yolo_attn.analysis.trained_classifier import TrainedClassifier
from yolo_attn.cli import app
from yolo_attn.layers import LAYERS


def invoke(*arguments):
    return CliRunner().invoke(app, ["gates", *map(str, arguments)])


def test_the_score_is_that_of_val_and_the_gates_do_not_change_it(detector, data):
    place = {"imgsz": IMGSZ, "batch": 2, "workers": 0, "plots": False, "device": "cpu"}
    expected = 100 * YOLO(detector).val(data=str(data), **place).box.map
    assert expected > 1
    trained = evaluation(detector, data, imgsz=IMGSZ, batch=2, device="cpu")
    measured = measure(trained)
    assert len(measured.scores) == measured.gates.images == 6
    assert measured.scores.scores(np.arange(6)) == {"mAP50-95": pytest.approx(expected)}
    assert trained.evaluate().scores(np.arange(6)) == {"mAP50-95": pytest.approx(expected)}


def test_a_picture_drawn_twice_counts_twice():
    """One class, two pictures with an object each: found in the first; in the second missed, with a false box of higher score."""
    found = (np.ones((1, 10), bool), np.array([0.5]), np.zeros(1), np.zeros(1))
    missed = (np.zeros((1, 10), bool), np.array([0.9]), np.zeros(1), np.zeros(1))
    nothing = (np.zeros((0, 10), bool), np.zeros(0), np.zeros(0), np.zeros(0))
    scores = DetectionScores((found, missed, nothing))

    def score(*drawn):
        return scores.scores(np.array(drawn))["mAP50-95"]

    assert score(0, 0, 2) == pytest.approx(99.5, abs=0.1)  # Ultralytics' curve ends at 0.995
    assert score(1, 1) == score(2) == 0
    assert 0 < score(0, 1) < score(0, 0, 1)


def test_pictures_with_and_without_objects_and_predictions_stay_in_order(detector, data):
    """Batches of another size must give the same scores picture by picture."""
    one, three = (evaluation(detector, data, imgsz=IMGSZ, batch=batch, device="cpu").evaluate() for batch in (1, 3))
    assert [len(picture[3]) for picture in one.images] == [len(picture[3]) for picture in three.images]
    assert sorted(len(picture[3]) for picture in one.images)[0] == 0


@pytest.mark.parametrize(
    ("stock", "row", "extra"),
    [
        ("yolo11-seg.yaml", f"0 {' '.join(f'{x} {y}' for x, y in SQUARE)}", ""),
        ("yolo11-obb.yaml", f"1 {' '.join(f'{x} {y}' for x, y in SQUARE)}", ""),
        ("yolo11-pose.yaml", f"0 0.45 0.55 0.5 0.5 {' '.join(['0.4 0.5 2'] * 17)}", "kpt_shape: [17, 3]\n"),
    ],
    ids=["segment", "obb", "pose"],
)
def test_every_task_has_gates(tmp_path, built, stock, row, extra):
    file, listed = built(stock), pictures(tmp_path / "set", [row], 3, extra)
    found = gates(file, listed, show=1, imgsz=IMGSZ, batch=2, device="cpu")
    assert [layer.kind for layer in found.layers] == ["EMA"] * 3 and found.images == 3
    assert {layer.regions.images for layer in found.layers} == {2}
    assert {name for layer in found.layers for name in layer.regions.by_class} == {"green" if "obb" in stock else "red"}
    # A square from 0.2 to 0.7 of the width and 0.3 to 0.8 of the height, as in the label.
    (picture,) = found.pictures
    if picture.objects.boxes.size and picture.objects.padding == (0, 0):
        corners = picture.objects.corners()[0] / picture.image.shape[1::-1]
        np.testing.assert_allclose([corners.min(0), corners.max(0)], [[0.2, 0.3], [0.7, 0.8]], atol=0.05)


def fixed_classifier(layer: nn.Module, images, classes, monkeypatch) -> ClassifierEvaluation:
    """Two channels as images; the class is the channel with the higher sum behind the layer."""
    monkeypatch.setitem(LAYERS, type(layer).__name__, type(layer))
    network = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    values = torch.tensor(images)[:, :, None, None].expand(-1, -1, 2, 2)
    batches = torch.utils.data.DataLoader(
        [{"img": value, "cls": kind} for value, kind in zip(values, classes, strict=True)], 2
    )
    return ClassifierEvaluation(TrainedClassifier(network, ("first", "second"), 2), batches)


def test_a_gate_of_1_takes_away_what_a_constant_gate_gives_and_its_mean_does_not(monkeypatch):
    """x (0.6, 0.5) by (0.2, 1) is of the second class, by 1 of the first."""
    trained = fixed_classifier(by_channel(0.2, 1.0), [[0.6, 0.5]] * 4, [1, 1, 1, 0], monkeypatch)
    monkeypatch.setitem(trained.network._modules, "0", trained.network[0])
    trained.network[0].weight = nn.Parameter(torch.zeros(1))
    by_mean, by_one = counterfactual(trained, measure(trained), resamples=500)
    assert (by_mean.layer, by_mean.gate, by_mean.score, by_mean.difference) == ("0", "mean", 75, 0)
    assert (by_mean.low, by_mean.high) == (0, 0)
    assert (by_one.gate, by_one.score, by_one.difference) == ("1", 25, -50)
    # Of four pictures each gives +100 or -100: drawn with replacement, -100 in 32 % of the draws and +50 or more in 5 %.
    assert (by_one.low, by_one.high) == (-100, 50)
    assert "forward" not in vars(trained.network[0])


def test_the_mean_of_a_gate_is_taken_over_the_pictures_at_each_channel(monkeypatch):
    """The gate is x itself, on average (0.5, 0.45): the first picture (0.1, 0.6) keeps its class, the second (0.9, 0.3), too."""
    trained = fixed_classifier(Brightness(), [[0.1, 0.6], [0.9, 0.3]], [1, 0], monkeypatch)
    trained.network[0].weight = nn.Parameter(torch.zeros(1))
    seen = []
    trained.network[1].register_forward_hook(lambda module, inputs, out: seen.append(inputs[0][:, :, 0, 0]))
    changes = counterfactual(trained, measure(trained))
    assert next(changes).difference == 0
    torch.testing.assert_close(seen[-1], torch.tensor([[0.1, 0.6], [0.9, 0.3]]) * torch.tensor([0.5, 0.45]))


@pytest.fixture(scope="module")
def output(tmp_path_factory, detector, data):
    out = tmp_path_factory.mktemp("out")
    options = ["--imgsz", IMGSZ, "--batch", 3, "--device", "cpu", "--show", 2, "--counterfactual", "--resamples", 20]
    done = invoke(detector, "--data", data, "--out", out, *options)
    assert done.exit_code == 0, done.output
    return out, done.stdout


def test_the_command_writes_every_layer_and_the_counterfactual(output):
    out, printed = output
    record = json.loads((out / "gates.json").read_text(encoding="utf-8"))
    assert [layer["kind"] for layer in record["layers"]] == ["EMA"] * 3 and record["images"] == 6
    paths = [layer["layer"] for layer in record["layers"]]
    assert [(change["layer"], change["gate"]) for change in record["counterfactual"]] == [
        (path, gate) for path in paths for gate in ("mean", "1")
    ]
    assert all(change["low"] <= change["high"] for change in record["counterfactual"])
    assert any(change["difference"] for change in record["counterfactual"])
    assert all(path in printed for path in paths) and "Scores with the gate replaced" in printed
    assert "there is no official AP without VisDrone's annotations" in printed
    assert all(set(layer["regions"]["by_class"]) <= {"red", "green"} for layer in record["layers"])
    with (out / "gates.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["layer"] for row in rows} == set(paths)
    assert np.ptp(cv2.imread(str(out / "gates.png"))) > 0


def test_the_page_has_every_layer_and_picture_and_loads_nothing(output):
    out, _ = output
    page = (out / "maps.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"const data = (.*);\n", page)[1])
    assert len(data["pictures"]) == 2 and [len(layer["maps"]) for layer in data["layers"]] == [2, 2, 2]
    assert not re.search(r'(src|href)="?http|@import|fetch\(', page)
    assert all((layer["low"], layer["high"]) == (0, 1) for layer in data["layers"])
    assert all(picture["image"].startswith("data:image/jpeg;base64,") for picture in data["pictures"])
    assert cv2.imread(str(out / "maps.png")).shape[0] > 500


def test_the_first_layers_of_stages_alone(tmp_path, built, data):
    file = built("yolov8.yaml", ("EMA:8", "ECA"))
    options = ["--imgsz", IMGSZ, "--device", "cpu", "--show", 0, "--first-of-stages", "--out", tmp_path / "out"]
    done = invoke(file, "--data", data, *options)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "gates.json").read_text(encoding="utf-8"))
    assert [layer["kind"] for layer in record["layers"]] == ["EMA"] * 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gates.csv", "gates.json", "gates.png"]


@pytest.mark.parametrize(("row", "number"), [("[18, ECA]", 8), ("[18, EMCA(srm), first]", 4), ("[18, SA(8)]", 8)])
def test_a_classifier_shows_gates_by_class(tmp_path, row, number):
    images = draw(tmp_path / "data", dark=20, light=200)
    file = checkpoint(tmp_path, yaml(row), imgsz=64)
    data = [images.parent, "--split", "data"] if row == "[18, ECA]" else [images]
    done = invoke(file, "--data", *data, "--out", tmp_path / "out", "--show", 0, "--device", "cpu")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "gates.json").read_text(encoding="utf-8"))
    assert len(record["layers"]) == number and not record["left_out"]
    for layer in record["layers"]:
        assert {name: kind["objects"] for name, kind in layer["regions"]["by_class"].items()} == {"dark": 2, "light": 2}
        assert 0 <= layer["lowest"] <= layer["highest"] <= 1


def test_chosen_pictures_are_kept_by_name(detector, data):
    found = gates(detector, data, show=["3.png", "1.png"], imgsz=IMGSZ, device="cpu")
    assert sorted(picture.name for picture in found.pictures) == ["1.png", "3.png"]
    assert all(set(picture.maps) == {layer.layer for layer in found.layers} for picture in found.pictures)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("no attention", "the model has no attention layer; known are AAConv, BAM, "),
        ("exported", "best.onnx: is no checkpoint; give the .pt file of `yolo train`"),
        ("empty split", "there is no image in its split val"),
        ("no such split", "has no split test; it has train, val"),
        ("other classes", "its classes are cat, dog; those of the model are red, green"),
        ("a folder", "a model for detect needs a data YAML"),
        ("other picture", "7.png: not among the 6 images; write names as in 0000001.jpg"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(tmp_path, built, detector, data, case, expected):
    options = []
    if case == "no attention":
        detector = built("yolov8.yaml", ())
    elif case == "exported":
        detector = tmp_path / "best.onnx"
        detector.write_bytes(b"onnx")
    elif case == "no such split":
        options = ["--split", "test"]
    elif case == "other picture":
        options = ["--picture", "7.png", "--picture", "1.png"]
    elif case == "a folder":
        data = data.parent
    else:
        (tmp_path / "images").mkdir()
        text = data.read_text(encoding="utf-8")
        if case == "empty split":
            text = text.replace(f"path: {data.parent}", f"path: {tmp_path}")
        else:
            text = text.replace("red", "cat").replace("green", "dog")
        data = tmp_path / "data.yaml"
        data.write_text(text, encoding="utf-8")
    error = invoke(detector, "--data", data, "--imgsz", IMGSZ, "--device", "cpu", *options).exception
    assert isinstance(error, FileNotFoundError | ValueError) and expected in str(error)
    assert "\n" not in str(error)
    assert not list(detector.parent.glob("*-gates"))
