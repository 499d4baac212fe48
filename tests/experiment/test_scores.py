"""Both protocols from one set of detection files."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

from yolo_attn.detection.presets import PROTOCOL, DetectionSettings
from yolo_attn.experiment.scores import official_images, store_detections, ultralytics_scores
from yolo_attn.visdrone.annotations import NAMES, read, write
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes

STEMS = [f"{number:03d}" for number in range(12)]


@pytest.fixture(scope="module")
def boxes() -> dict[str, np.ndarray]:
    """{stem: (N, 5) x, y, w, h, class} of three boxes per picture, of the classes 0 to 4."""
    generator = np.random.default_rng(5)
    return {
        stem: np.concatenate(
            [generator.integers(2, 40, (3, 2)), generator.integers(8, 20, (3, 2)), generator.integers(0, 5, (3, 1))], 1
        )
        for stem in STEMS
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory, boxes) -> dict:
    """A data set in VisDrone's layout, as Ultralytics reads its YAML."""
    root = tmp_path_factory.mktemp("boxes")
    for part in ("images", "labels", "annotations"):
        (root / "val" / part).mkdir(parents=True)
    for stem, rows in boxes.items():
        cv2.imwrite(str(root / "val" / "images" / f"{stem}.png"), np.zeros((64, 64, 3), np.uint8))
        labels = [f"{c} {(x + w / 2) / 64} {(y + h / 2) / 64} {w / 64} {h / 64}\n" for x, y, w, h, c in rows]
        (root / "val" / "labels" / f"{stem}.txt").write_text("".join(labels))
        official = [f"{x},{y},{w},{h},1,{c + 1},0,0\n" for x, y, w, h, c in rows]
        (root / "val" / "annotations" / f"{stem}.txt").write_text("".join(official))
    file = root / "boxes.yaml"
    file.write_text(f"path: {root}\ntrain: val/images\nval: val/images\nnames: {dict(enumerate(NAMES))}\n")
    return check_det_dataset(str(file))


def detections_of(boxes: dict[str, np.ndarray], folder: Path, shift: float = 0.0, wrong: float = 0.0) -> Path:
    """Detection files of the boxes, moved by up to `shift` pixels, a share of `wrong` with another class."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(6)
    for stem, rows in boxes.items():
        rows_of_file = np.full((len(rows), 8), -1.0)
        rows_of_file[:, :4] = rows[:, :4] + generator.uniform(-shift, shift, (len(rows), 4))
        rows_of_file[:, 4] = np.sort(generator.random(len(rows)))[::-1]
        rows_of_file[:, 5] = (rows[:, 4] + (generator.random(len(rows)) < wrong)) + 1
        write(folder / f"{stem}.txt", rows_of_file, 6)
    return folder


def test_the_true_boxes_score_full_marks_in_both(data, boxes, tmp_path):
    detections = detections_of(boxes, tmp_path)
    scores = ultralytics_scores(detections, data)
    overall, by_class = scores.overall, scores.per_class
    images = official_images(data)
    official = evaluate(images.parent / "annotations", detections, read_sizes(images)).official
    assert [overall["mAP50"], overall["mAP50-95"]] == pytest.approx([99.5, 99.5], abs=0.01)  # Ultralytics' ceiling
    assert [official["AP"], official["AP50"]] == pytest.approx([100, 100])
    assert [by_class["mAP50-95"][name] is None for name in NAMES] == [False] * 5 + [True] * 5


def test_no_detection_file_is_no_detection(data, tmp_path):
    assert ultralytics_scores(tmp_path, data).overall == {"mAP50": 0, "mAP50-95": 0}


@pytest.mark.parametrize(("shift", "wrong"), [(1.0, 0.0), (3.0, 0.0), (2.0, 0.3)])
def test_the_numbers_are_those_that_the_validator_gives_for_these_boxes(data, boxes, tmp_path, shift, wrong):
    detections = detections_of(boxes, tmp_path / "detections", shift, wrong)

    class Prepared(DetectionValidator):
        """The whole of Ultralytics' `val` with the network's boxes exchanged for those of the files."""

        def update_metrics(self, preds, batch):
            rows = [
                np.loadtxt(detections / f"{Path(file).stem}.txt", delimiter=",", ndmin=2) for file in batch["im_file"]
            ]
            rows = [torch.from_numpy(table).float() for table in rows]
            corners = [torch.cat([table[:, :2], table[:, :2] + table[:, 2:4]], 1) for table in rows]
            preds = [
                {"bboxes": xyxy, "conf": table[:, 4], "cls": table[:, 5] - 1, "extra": table[:, :0]}
                for xyxy, table in zip(corners, rows, strict=True)
            ]
            super().update_metrics(preds, batch)

    file = tmp_path / "any.pt"
    model = DetectionModel({**yaml_model_load("yolov5n.yaml"), "nc": len(NAMES)}, verbose=False)
    model.names, model.args = dict(enumerate(NAMES)), {"imgsz": 64, "task": "detect"}
    torch.save({"model": model, "train_args": {}}, file)
    place = {"project": str(tmp_path), "plots": False, "workers": 0, "device": "cpu"}
    validated = YOLO(file).val(validator=Prepared, data=data["yaml_file"], imgsz=64, rect=False, **place).box
    scores = ultralytics_scores(detections, data)
    overall, by_class = scores.overall, scores.per_class
    assert 1 < overall["mAP50-95"] < 90
    assert [overall["mAP50"], overall["mAP50-95"]] == pytest.approx([100 * validated.map50, 100 * validated.map])
    expected = {data["names"][kind]: 100 * validated.maps[kind] for kind in validated.ap_class_index}
    assert {name: value for name, value in by_class["mAP50-95"].items() if value is not None} == pytest.approx(expected)


def test_classes_in_another_order_in_the_data_yaml_change_no_number(data, boxes, tmp_path):
    """The labels are renumbered with the names; the detection files are in VisDrone's order as always."""
    detections = detections_of(boxes, tmp_path / "detections", shift=2.0, wrong=0.3)
    expected = ultralytics_scores(detections, data)
    order = [3, 1, 4, 0, 2, 9, 7, 8, 6, 5]  # the class with index i is NAMES[order[i]]
    shutil.copytree(data["path"], tmp_path / "renumbered")
    for file in (tmp_path / "renumbered").rglob("labels/*.txt"):
        rows = [line.split(" ", 1) for line in file.read_text().splitlines()]
        file.write_text("".join(f"{order.index(int(kind))} {box}\n" for kind, box in rows))
    for cache in (tmp_path / "renumbered").rglob("*.cache"):
        cache.unlink()
    file = tmp_path / "renumbered.yaml"
    names = {index: NAMES[kind] for index, kind in enumerate(order)}
    file.write_text(f"path: {tmp_path / 'renumbered'}\ntrain: val/images\nval: val/images\nnames: {names}\n")
    scores = ultralytics_scores(detections, check_det_dataset(str(file)))
    assert scores.overall == pytest.approx(expected.overall)
    assert scores.per_class["mAP50-95"] == pytest.approx(expected.per_class["mAP50-95"])


def test_the_official_images_are_found_by_folder_and_by_list(data, tmp_path):
    folder = Path(data["val"])
    assert official_images(data) == folder.resolve()
    (folder.parent / "images.txt").write_text("".join(f"./images/{stem}.png\n" for stem in STEMS))
    assert official_images({**data, "val": str(folder.parent / "images.txt")}) == folder.resolve()


@pytest.mark.parametrize(
    "change",
    [{"names": {0: "square"}}, {"val": "/nowhere/images"}, {"val": ["a/images", "b/images"]}],
    ids=["other classes", "no annotations", "several folders"],
)
def test_another_data_set_has_no_official_images(data, change):
    assert official_images({**data, **change}) is None


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A network that was never trained, whose classes have names of their own."""
    file = tmp_path_factory.mktemp("checkpoint") / "any.pt"
    model = DetectionModel({**yaml_model_load("yolov5n.yaml"), "nc": 5}, verbose=False)
    model.names, model.args = dict(enumerate("abcde")), {"imgsz": 64, "task": "detect"}
    torch.save({"model": model, "train_args": {}}, file)
    return file


def test_a_set_in_yolo_format_stores_the_detections_of_every_picture(data, checkpoint, tmp_path):
    settings = DetectionSettings(imgsz=64, conf=0.0, max_det=7)
    store_detections(checkpoint, data, tmp_path / "detections", settings, batch=4, device="cpu")
    files = sorted((tmp_path / "detections").glob("*.txt"))
    assert [file.stem for file in files] == STEMS
    rows = read(files[0])
    assert 1 <= len(rows) <= 7
    assert set(rows[:, 5]) <= {1, 2, 3, 4, 5}
    assert (np.diff(rows[:, 4]) <= 0).all()


def test_pictures_of_other_than_three_channels_store_no_detections(data, checkpoint, tmp_path):
    store_detections(checkpoint, {**data, "channels": 4}, tmp_path / "detections", PROTOCOL, batch=4, device="cpu")
    assert not (tmp_path / "detections").exists()
