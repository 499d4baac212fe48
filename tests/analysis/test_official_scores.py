"""The official AP of what `val` predicts, against the same predictions as Ultralytics writes them to files."""

from pathlib import Path

import numpy as np
import pytest
from ultralytics import YOLO

from tests.analysis.conftest import IMGSZ, build, label_found, pictures
from yolo_attn.analysis.counterfactual import counterfactual
from yolo_attn.analysis.evaluation import evaluation
from yolo_attn.analysis.layer_gates import measure
from yolo_attn.visdrone.annotations import NAMES, write
from yolo_attn.visdrone.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def visdrone(tmp_path_factory) -> tuple[Path, Path]:
    """A detector of VisDrone's classes, and pictures with labels and official annotations."""
    root = tmp_path_factory.mktemp("visdrone")
    names = dict(enumerate(NAMES))
    file = pictures(root / "set", [], number=3, heights=(64, 64), names=names)
    detector = build(root / "model", names=names)
    label_found(file, detector)
    (root / "set" / "annotations").mkdir()
    for image in (root / "set" / "images").glob("*.png"):
        label = root / "set" / "labels" / f"{image.stem}.txt"
        rows = yolo_rows(label)
        write(root / "set" / "annotations" / f"{image.stem}.txt", np.c_[rows[:, :4], np.ones(len(rows)), rows[:, 4:]])
    return detector, file


def yolo_rows(file: Path) -> np.ndarray:
    """Rows of class, centre, size and perhaps a score on a picture of 64 x 64 -> left, top, width, height, category, -1, -1."""
    rows = np.loadtxt(file, ndmin=2) if file.is_file() else np.zeros((0, 5))
    size = 64 * rows[:, 3:5]
    return np.c_[64 * rows[:, 1:3] - size / 2, size, rows[:, :1] + 1, np.full((len(rows), 2), -1)]


def test_the_official_ap_is_that_of_the_files_of_val(visdrone, tmp_path):
    detector, data = visdrone
    trained = evaluation(detector, data, imgsz=IMGSZ, batch=2, device="cpu")
    found = trained.evaluate()
    options = {"imgsz": IMGSZ, "batch": 2, "workers": 0, "plots": False, "device": "cpu", "project": str(tmp_path)}
    expected = YOLO(detector).val(data=str(data), name="val", save_txt=True, save_conf=True, max_det=500, **options)
    (tmp_path / "detections").mkdir()
    for file in (tmp_path / "val" / "labels").glob("*.txt"):
        rows, scores = yolo_rows(file), np.loadtxt(file, ndmin=2)[:, 5]
        order = np.argsort(-scores, kind="stable")
        write(tmp_path / "detections" / file.name, np.c_[rows[:, :4], scores, rows[:, 4:]][order])
    sizes = {path.stem: (64, 64) for path in (data.parent / "annotations").glob("*.txt")}
    official = evaluate(data.parent / "annotations", tmp_path / "detections", sizes).official["AP"]
    assert official > 1
    scores = found.scores(np.arange(3))
    assert scores["official AP"] == pytest.approx(official, abs=0.05)  # the files are rounded
    assert scores["mAP50-95"] == pytest.approx(100 * expected.box.map, abs=0.5)  # which looked at 500 boxes, not at 300
    measured = measure(trained)
    changes = [*counterfactual(trained, measured, {measured.gates.layers[0].layer}, resamples=3)]
    assert {(change.gate, change.metric) for change in changes} == {
        (gate, metric) for gate in ("mean", "1") for metric in ("mAP50-95", "official AP")
    }


def test_images_without_annotations_or_of_other_classes_have_no_official_ap(detector, data, visdrone, tmp_path):
    assert not evaluation(detector, data).official
    assert evaluation(*visdrone).official
    text = visdrone[1].read_text(encoding="utf-8").replace(str(visdrone[1].parent), str(tmp_path / "bare"))
    bare = pictures(tmp_path / "bare", [], number=1, names=dict(enumerate(NAMES)))
    bare.write_text(text, encoding="utf-8")
    assert not evaluation(visdrone[0], bare).official
