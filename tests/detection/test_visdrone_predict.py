"""Detection files: the boxes of Ultralytics' `val`, in the official format, and what an interruption leaves."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel, yaml_model_load
from ultralytics.utils.checks import check_file

from yolo_attn.detection import visdrone_predict
from yolo_attn.detection.presets import PROTOCOL
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.tiling import TileGrid
from yolo_attn.visdrone.annotations import NAMES, read

SMALL = replace(PROTOCOL, imgsz=64)
TILES = TileSettings(TileGrid(40))
STEMS = [f"{number:07d}" for number in range(5)]


def checkpoint(path: Path, names=NAMES, base: str = "yolov5n-p2.yaml") -> Path:
    """An untrained detector whose scores and boxes differ from place to place."""
    torch.manual_seed(1)
    model = DetectionModel({**yaml_model_load(base), "nc": len(names)}, verbose=False)
    head = model.model[-1]
    for branches in (head.cv3, getattr(head, "one2one_cv3", head.cv3)):
        for branch in branches:
            torch.nn.init.normal_(branch[-1].weight, std=2)
            torch.nn.init.constant_(branch[-1].bias, -4)
    model.names, model.args = dict(enumerate(names)), {"imgsz": 64, "task": "detect"}
    torch.save({"model": model, "train_args": {}}, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("model") / "best.pt")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "images"
    folder.mkdir()
    for number, stem in enumerate(STEMS):
        picture = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{stem}.png"), cv2.resize(picture, (64, 64)))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, images) -> Path:
    """The detection files of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    done = predict_visdrone(model, images, folder, SMALL, batch=2)
    assert (done.written, done.kept, done.unreadable, done.left_out) == (5, 0, (), ())
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.txt")}


@pytest.mark.parametrize("stem", STEMS)
def test_a_file_has_up_to_500_rows_of_the_official_form_by_falling_score(whole, stem):
    rows = read(whole / f"{stem}.txt")
    assert 100 < len(rows) <= 500
    assert (np.diff(rows[:, 4]) <= 0).all()
    assert (rows[:, 4] > 0.001).all()
    assert set(rows[:, 5]) <= set(range(1, 11))
    assert (rows[:, 6:] == -1).all()
    assert (rows[:, :2] >= 0).all()
    assert (rows[:, :2] + rows[:, 2:4] <= 64 + 1e-4).all()


def test_a_box_may_have_several_classes(whole):
    rows = read(whole / f"{STEMS[0]}.txt")
    assert len(np.unique(rows[:, :4].round(2), axis=0)) < len(rows)


def rows_of_val(model: Path, images: Path, tmp_path: Path) -> list[dict]:
    data = {"path": str(images.parent), "train": "images", "val": "images", "names": list(NAMES)}
    (tmp_path / "data.yaml").write_text(json.dumps(data))
    arguments = {
        "imgsz": 64,
        "rect": False,
        "max_det": 500,
        "save_json": True,
        "plots": False,
        "batch": 2,
        "workers": 0,
    }
    YOLO(model).val(data=tmp_path / "data.yaml", project=tmp_path, name="val", device="cpu", **arguments)
    return json.loads((tmp_path / "val" / "predictions.json").read_text())


@pytest.mark.parametrize("base", ["yolov5n-p2.yaml", "yolo26n.yaml"])
def test_the_detections_are_those_that_val_scores(images, tmp_path, base):
    if not check_file(base.replace("n.", ".").replace("n-", "-"), hard=False):
        pytest.skip(f"Ultralytics {ultralytics.__version__} has no {base}")
    model = checkpoint(tmp_path / "best.pt", base=base)
    predict_visdrone(model, images, tmp_path / "out", SMALL)
    expected = rows_of_val(model, images, tmp_path)
    shift = 1 - min(row["category_id"] for row in expected)  # from 0 in older versions
    for stem in STEMS[:2]:
        rows = read(tmp_path / "out" / f"{stem}.txt")
        of_val = [row for row in expected if str(row["image_id"]).zfill(7) == stem]
        assert len(rows) == len(of_val)
        np.testing.assert_allclose(rows[:, 4], [row["score"] for row in of_val], atol=2e-5)
        scored = {(*np.round(row["bbox"], 1), round(row["score"], 3), row["category_id"] + shift) for row in of_val}
        written = {(*row[:4].round(1), round(row[4], 3), int(row[5])) for row in rows}
        assert len(written & scored) > 0.9 * len(scored)  # the rest are on the edge of a rounding


def assert_same_rows(folder: Path, expected: Path, stem: str) -> None:
    """Scores agree row by row; nearly all boxes do, the others are on the edge of a rounding."""
    rows, reference = read(folder / f"{stem}.txt"), read(expected / f"{stem}.txt")
    np.testing.assert_allclose(rows[:, 4], reference[:, 4], atol=1e-5)
    boxes, others = ({(*row[:4].round(1), row[5]) for row in entries} for entries in (rows, reference))
    assert len(boxes & others) > 0.95 * len(others)


def test_other_batches_give_the_same_files(model, images, whole, tmp_path):
    predict_visdrone(model, images, tmp_path, SMALL, batch=3)
    for stem in STEMS:
        assert_same_rows(tmp_path, whole, stem)


def test_images_of_another_shape_do_not_change_the_padding_of_their_neighbours(model, images, whole, tmp_path):
    mixed = tmp_path / "images"
    mixed.mkdir()
    for stem in STEMS[:3]:
        (mixed / f"{stem}.png").write_bytes((images / f"{stem}.png").read_bytes())
        cv2.imwrite(str(mixed / f"{stem}-wide.png"), np.zeros((32, 64, 3), np.uint8))
    predict_visdrone(model, mixed, tmp_path / "out", SMALL, batch=4)
    wide = read(tmp_path / "out" / f"{STEMS[0]}-wide.txt")
    assert (wide[:, 1] + wide[:, 3]).max() <= 32 + 1e-4
    for stem in STEMS[:3]:
        assert_same_rows(tmp_path / "out", whole, stem)


def test_an_interrupted_run_goes_on_and_keeps_what_is_done(model, images, whole, tmp_path):
    def cut(paths, _title):
        yield from paths[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_visdrone(model, images, tmp_path, SMALL, batch=2, progress=cut)
    assert set(texts(tmp_path)) == {f"{stem}.txt" for stem in STEMS[:2]}
    (tmp_path / f"{STEMS[0]}.txt").write_text("")  # stays, since it is there
    done = predict_visdrone(model, images, tmp_path, SMALL, batch=2)
    assert (done.written, done.kept) == (3, 2)
    assert texts(tmp_path) == texts(whole) | {f"{STEMS[0]}.txt": ""}
    assert {path.name for path in tmp_path.iterdir()} == {*texts(whole), "settings.json"}


KILLED = """
import os, signal, sys
from pathlib import Path
from yolo_attn.detection.visdrone_predict import predict_visdrone
from tests.detection.test_visdrone_predict import SMALL, TILES

def cut(paths, title):
    for number, path in enumerate(paths):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield path

predict_visdrone(*map(Path, sys.argv[1:4]), SMALL, batch=2, device="cpu", progress=cut, tiles=TILES)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_run_on_tiles_is_finished_by_the_next_and_no_other(model, images, tmp_path):
    predict_visdrone(model, images, tmp_path / "whole", SMALL, batch=2, tiles=TILES)
    command = [sys.executable, "-c", KILLED, str(model), str(images), str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    assert set(texts(tmp_path / "out")) == {f"{stem}.txt" for stem in STEMS[:2]}
    for other in (None, replace(TILES, whole=False), replace(TILES, grid=TileGrid(40, overlap=0.5))):
        with pytest.raises(FileExistsError, match=r"holds detection files made with tiles \{"):
            predict_visdrone(model, images, tmp_path / "out", SMALL, tiles=other)
    done = predict_visdrone(model, images, tmp_path / "out", SMALL, batch=2, tiles=TILES)
    assert (done.written, done.kept) == (3, 2)
    assert set(texts(tmp_path / "out")) == set(texts(tmp_path / "whole"))
    for stem in STEMS:
        assert_same_rows(tmp_path / "out", tmp_path / "whole", stem)


def test_a_finished_run_does_not_load_the_model(model, images, whole, monkeypatch):
    monkeypatch.setattr(visdrone_predict, "open_detector", None)
    assert predict_visdrone(model, images, whole, SMALL).kept == 5


@pytest.mark.parametrize(
    ("settings", "other_model", "sentence"),
    [
        (replace(PROTOCOL, imgsz=96), False, r"made with imgsz 64, now 96; name another folder"),
        (replace(SMALL, conf=0.1), False, r"made with conf 0\.001, now 0\.1;"),
        (SMALL, True, r"made with model 'best\.pt, sha256 .*', now 'other\.pt, sha256 "),
    ],
    ids=["imgsz", "conf", "model"],
)
def test_a_run_with_other_settings_is_refused(model, images, whole, tmp_path, settings, other_model, sentence):
    before = texts(whole)
    if other_model:
        model = tmp_path / "other.pt"
        model.write_bytes(b"other weights")
    with pytest.raises(FileExistsError, match=sentence):
        predict_visdrone(model, images, whole, settings)
    assert texts(whole) == before


def test_detection_files_of_unknown_origin_are_not_mixed_with_new_ones(model, images, tmp_path):
    (tmp_path / "a.txt").write_text("1,2,3,4,0.5,1,-1,-1\n")
    with pytest.raises(FileExistsError, match=r"of unknown origin, as there is no settings\.json"):
        predict_visdrone(model, images, tmp_path, SMALL)


@pytest.mark.parametrize("content", [b"", b"no picture", None], ids=["empty", "text", "folder"])
def test_an_unreadable_image_is_reported_and_does_not_stop_the_rest(model, images, whole, tmp_path, content):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "0.jpg").mkdir() if content is None else (folder / "0.jpg").write_bytes(content)
    (folder / f"{STEMS[0]}.png").write_bytes((images / f"{STEMS[0]}.png").read_bytes())
    done = predict_visdrone(model, folder, tmp_path / "out", SMALL)
    (line,) = done.unreadable
    assert done.written == 1 and line.startswith(f"{folder / '0.jpg'}: ")
    assert set(texts(tmp_path / "out")) == {f"{STEMS[0]}.txt"}


def test_classes_are_known_by_name_and_others_left_out(images, tmp_path):
    names = ["others", *reversed(NAMES)]
    names[names.index("awning-tricycle")] = "Awning Tricycle"
    model = checkpoint(tmp_path / "best.pt", names)
    done = predict_visdrone(model, images, tmp_path / "all", SMALL)
    assert done.left_out == ("others",)
    assert predict_visdrone(model, images, tmp_path / "all", SMALL).left_out == ("others",)
    rows = read(tmp_path / "all" / f"{STEMS[0]}.txt")
    of_val = YOLO(model).predict(images / f"{STEMS[0]}.png", imgsz=64, conf=0.001, verbose=False, max_det=500)[0].boxes
    best = of_val[(of_val.cls > 0).nonzero()[:, 0]][0]  # class 10 of the model is pedestrian, category 1
    assert (rows[0, 4], rows[0, 5]) == (pytest.approx(float(best.conf), abs=1e-5), 11 - int(best.cls))
    assert 11 not in rows[:, 5]


@pytest.mark.parametrize(
    ("names", "missing"),
    [(["person", *NAMES[1:]], "pedestrian"), (NAMES[:8], "bus, motor")],
    ids=["coco-like", "some"],
)
def test_a_model_without_visdrones_names_is_refused(images, tmp_path, names, missing):
    model = checkpoint(tmp_path / "best.pt", names)
    with pytest.raises(ValueError, match=f"best.pt: knows no class {missing}; its classes are"):
        predict_visdrone(model, images, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_more_rows_than_the_protocol_looks_at_are_refused(model, images, tmp_path):
    with pytest.raises(ValueError, match="looks at no more than 500 rows"):
        predict_visdrone(model, images, tmp_path / "out", replace(SMALL, max_det=501))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model": "mine"}', b"\xff\xfe"])
@pytest.mark.parametrize("with_detections", [False, True])
def test_a_note_that_is_damaged_or_somebody_elses_is_named_and_left_alone(
    model, images, tmp_path, content, with_detections
):
    (tmp_path / "settings.json").write_bytes(content)
    if with_detections:
        (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match=r"settings\.json: damaged, or no note of yolo-attn visdrone predict"):
        predict_visdrone(model, images, tmp_path, SMALL)
    assert (tmp_path / "settings.json").read_bytes() == content


def test_a_file_or_folder_in_the_way_is_named(model, images, whole, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file: is a file; name a folder"):
        predict_visdrone(model, images, tmp_path / "file", SMALL)
    (tmp_path / "settings.json").write_bytes((whole / "settings.json").read_bytes())
    (tmp_path / f"{STEMS[0]}.txt").mkdir()
    with pytest.raises(FileExistsError, match=rf"{STEMS[0]}\.txt: is a folder where a detection file belongs"):
        predict_visdrone(model, images, tmp_path, SMALL)


def test_the_note_says_the_size_that_was_used(model, images, tmp_path):
    predict_visdrone(model, images, tmp_path, replace(PROTOCOL, imgsz=65))
    note = json.loads((tmp_path / "settings.json").read_text())
    assert (note["imgsz"], note["input_size"]) == (65, [96, 96])
    assert (note["conf"], note["iou"], note["max_det"], note["multi_label"]) == (0.001, 0.7, 500, True)


def test_two_images_of_one_stem_are_refused(model, images, tmp_path):
    for name in ("a.jpg", "A.png"):
        (tmp_path / name).write_bytes((images / f"{STEMS[0]}.png").read_bytes())
    with pytest.raises(ValueError, match=r"a\.jpg: A\.png has the same stem"):
        predict_visdrone(model, tmp_path, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["model", "images", "picture"])
def test_what_is_missing_is_named(model, images, tmp_path, missing):
    (tmp_path / "empty").mkdir()
    given = {
        "model": (tmp_path / "gone.pt", images),
        "images": (model, tmp_path / "gone"),
        "picture": (model, tmp_path / "empty"),
    }[missing]
    with pytest.raises(FileNotFoundError, match=r"gone.*not there|empty: holds no image"):
        predict_visdrone(*given, tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    "export", [{"format": "onnx"}, {"format": "onnx", "dynamic": True}, {"format": "torchscript"}], ids=str
)
def test_an_exported_file_gives_the_detections_of_the_checkpoint(images, whole, tmp_path, export):
    model = checkpoint(tmp_path / "best.pt")
    exported = YOLO(model).export(imgsz=64, verbose=False, **export)
    assert predict_visdrone(exported, images, tmp_path / "out", SMALL, batch=2).written == 5
    for stem in STEMS:
        rows, expected = read(tmp_path / "out" / f"{stem}.txt"), read(whole / f"{stem}.txt")
        assert abs(len(rows) - len(expected)) <= 2
        np.testing.assert_allclose(rows[:100, 4], expected[:100, 4], atol=1e-4)
        boxes, others = ({tuple(row[[0, 1, 2, 3, 5]].round()) for row in entries[:100]} for entries in (rows, expected))
        assert len(boxes & others) > 0.75 * len(others)  # nearly equal scores change places
