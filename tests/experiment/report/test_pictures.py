"""Which pictures are shown, and what is drawn on them."""

import cv2
import numpy as np
import pytest

from yolo_attn.experiment.report import pictures
from yolo_attn.experiment.report.detections import Details, Stored, read
from yolo_attn.experiment.report.drawing import SIDE, boxes, photo
from yolo_attn.experiment.report.folders import read as read_folders
from yolo_attn.visdrone.evaluation.errors import Picture

NONE = np.empty((0, 8))


def rows(number: int) -> np.ndarray:
    return np.tile([1.0, 2, 3, 4, 1, 1, 0, 0], (number, 1))


def details(**errors: int) -> Details:
    """Misses by picture."""
    return Details({}, {name: Picture(name, NONE, NONE, rows(number), NONE) for name, number in errors.items()})


@pytest.fixture
def images(tmp_path):
    for name in "abcd":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((30, 40, 3), np.uint8))
    return {name: tmp_path / f"{name}.png" for name in "abcd"}


def test_boxes_are_a_path_for_each_kind():
    picture = Picture("a", rows(2), np.array([[5.4, 6.6, 7, 8, 1, 1, 0, 0]]), NONE, NONE)
    svg = boxes(picture)
    assert '<path class="hit" d="M1 2h3v4h-3zM1 2h3v4h-3z"/>' in svg
    assert '<path class="alarm" d="M5 7h7v8h-7z"/>' in svg and '<path class="miss" d=""/>' in svg


def test_a_picture_is_made_small_and_keeps_the_pixels_of_its_boxes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 1200, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    shown = photo(tmp_path / "a.png", 60_000)
    assert (shown.width, shown.height) == (1200, 600)
    assert shown.address.startswith("data:image/jpeg;base64,") and len(shown.address) <= 60_000
    assert SIDE == 640 and len(shown.address) < len(photo(tmp_path / "a.png", 10**9).address)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="is no picture"):
        photo(tmp_path / "a.jpg", 1000)


def test_the_worst_and_the_most_changed_come_first(images):
    runs = {
        ("plain", 0): details(a=1, b=5, c=0, d=9),
        ("plain", 1): details(a=3, b=5, c=0, d=9),
        ("plain", 2): details(a=99, b=99, c=99, d=99),  # a seed that the other lacks
        ("ema", 0): details(a=8, b=4, c=0, d=9),
        ("ema", 1): details(a=6, b=4, c=0, d=9),
    }
    gallery = pictures.gallery(["plain", "ema"], Stored(runs, images))
    assert [shown.name for shown in gallery.worst] == [
        "d",
        "a",
        "b",
    ]  # 18, 9, 9 and 0 errors of both, which is no error
    assert [(shown.name, shown.change) for shown in gallery.changed] == [("a", 5), ("b", -1)]
    assert [side.run for side in gallery.changed[0].sides] == [("plain", 0), ("ema", 0)]
    assert [side.mean_errors for side in gallery.changed[0].sides] == [2, 7]


def test_a_model_alone_has_its_worst_pictures(images):
    gallery = pictures.gallery(["plain"], Stored({("plain", 0): details(a=1, b=2)}, images))
    assert [(shown.name, len(shown.sides)) for shown in gallery.worst] == [("b", 1), ("a", 1)]
    assert gallery.changed == ()


def test_a_picture_that_is_gone_is_named_and_the_next_takes_its_place(images):
    images["d"].unlink()
    runs = {("plain", 0): details(a=1, b=5, c=3, d=9)}
    gallery = pictures.gallery(["plain"], Stored(runs, images))
    assert [shown.name for shown in gallery.worst] == ["b", "c", "a"]
    assert gallery.missing == ("d: the picture cannot be read, so another is shown instead.",)


def test_many_models_share_the_room_of_the_page(images):
    runs = {(model, 0): details(a=index, b=2 * index, c=0, d=0) for index, model in enumerate("pqrstuvwxyz")}
    gallery = pictures.gallery([*"pqrstuvwxyz"], Stored(runs, images))
    assert len(gallery.worst) + len(gallery.changed) <= pictures.MOST
    assert {shown.sides[1].run[0] for shown in gallery.changed} == set("qrstuvwxyz")


def test_no_detection_is_no_picture():
    assert pictures.gallery(["plain", "ema"], Stored({}, {})) == pictures.Gallery((), (), ())


def test_stored_detections_are_right_and_wrong_as_they_were_made(bench, data):
    study = read_folders([bench()])
    stored = read(data, study.recorded, "best")
    assert stored.missing == () and set(stored.images) == set("abc")
    errors = {
        model: [(len(picture.hits), len(picture.misses), len(picture.false_alarms)) for picture in found.values()]
        for model, found in ((model, stored.runs[model, 0].pictures) for model in ("plain", "ema"))
    }
    assert errors == {"plain": [(1, 1, 0), (0, 2, 0), (1, 1, 0)], "ema": [(2, 0, 0), (2, 0, 0), (1, 1, 1)]}
    # plain finds the bus in one of three pictures: precision 1 up to a recall of 1/3
    assert stored.runs["plain", 0].precision["bus"].tolist() == [1.0] * 34 + [0.0] * 67
    assert set(stored.runs["plain", 0].precision) == {"car", "bus"}


def test_a_data_set_of_other_classes_is_read_from_its_labels(bench, data):
    other = data.with_name("letters.yaml")
    other.write_text(
        f"path: {data.parent}\ntrain: set/images\nval: set/images\nnames: {dict(enumerate('abcdefghij'))}\n"
    )
    stored = read(other, read_folders([bench()]).recorded, "best")
    errors = [(len(shown.hits), len(shown.misses)) for shown in stored.runs["plain", 0].pictures.values()]
    assert errors == [(1, 1), (0, 2), (1, 1)]
    assert set(stored.runs["plain", 0].precision) == {"d", "i"}
