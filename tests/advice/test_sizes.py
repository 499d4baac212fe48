"""Object sizes of small sets of every kind, by hand, and what cannot be read."""

import numpy as np
import pytest
from PIL import Image

from tests.advice.conftest import BOXES
from yolo_attn.advice.objects import Objects, read_objects
from yolo_attn.advice.sizes import measure


def sides(data, **keys):
    return sorted(read_objects(data, **keys).sides.tolist())


def test_boxes_are_measured_in_pixels_of_their_pictures(data_set):
    objects = read_objects(data_set(BOXES))
    assert sorted(map(tuple, objects.pictures.tolist())) == [(80, 160), (200, 100), (300, 300)]
    assert sorted(objects.sides.tolist()) == pytest.approx([4, 40, 50], rel=1e-5)
    widths = {tuple(objects.pictures[index]): [] for index in objects.picture}
    for index, box in zip(objects.picture, objects.boxes.round(3).tolist(), strict=True):
        widths[tuple(objects.pictures[index])].append(box)
    assert {size: sorted(boxes) for size, boxes in widths.items()} == {
        (200, 100): [[20, 80], [50, 50]],
        (80, 160): [[4, 4]],
    }


def test_the_numbers_of_the_small_set_are_those_of_a_hand_calculation(data_set):
    sizes = measure(read_objects(data_set(BOXES)), [660, 320])
    assert (sizes.pictures, sizes.background, sizes.unreadable, sizes.objects) == (3, 1, 0, 3)
    assert (sizes.width, sizes.height, sizes.longer_side) == ((200 + 80) / 2, (100 + 160) / 2, 180)
    assert sizes.side[50] == pytest.approx(40, rel=1e-5)
    # Relative sides: 40 and 50 of root 200 x 100, 4 of root 80 x 160.
    assert sizes.relative_side[50] == pytest.approx(40 / np.sqrt(20000), rel=1e-5)
    # Means by picture: widths (0.1 + 0.25) / 2 and 0.05, heights (0.8 + 0.5) / 2 and 0.025; medians of two are means.
    assert sizes.relative_box == pytest.approx(((0.175 + 0.05) / 2 + (0.65 + 0.025) / 2) / 2, rel=1e-5)
    # At 320 the wide picture is scaled by 1.6 and the tall one by 2: sides of 64, 80 and 8; at 660 the last is 16.5.
    at_320, at_660 = sizes.at
    assert (at_320.imgsz, at_660.imgsz) == (320, 660)
    assert at_320.median_side == pytest.approx(64, rel=1e-5)
    assert at_660.below == {8: 0, 16: 0, 32: pytest.approx(1 / 3)}
    assert at_320.below[16] == at_320.below[32] == pytest.approx(1 / 3)


def test_a_side_just_at_a_limit_is_not_below_it():
    objects = Objects(np.array([[640.0, 480.0]]), np.zeros(4, int), np.ones((4, 2)), np.array([7.9, 8, 16, 40]), 0)
    assert measure(objects, [640]).at[0].below == {8: 0.25, 16: 0.5, 32: 0.75}


def test_segments_count_by_the_box_around_them(data_set):
    triangle = "0 0.1 0.1 0.5 0.1 0.1 0.9"  # 80 x 80 pixels of 200 x 100
    assert sides(data_set({"a": ((200, 100), [triangle])})) == pytest.approx([80], rel=1e-5)


def test_rotated_boxes_count_by_their_own_area(data_set):
    diamond = "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5"  # diagonals of 80 pixels: an area of 3200, half of the box around it
    objects = read_objects(data_set({"a": ((100, 100), [diamond])}))
    assert objects.sides.tolist() == pytest.approx([np.sqrt(3200)], rel=1e-5)
    assert objects.boxes.tolist() == [pytest.approx([80, 80], rel=1e-5)]


def test_rotated_boxes_of_several_pictures_stay_with_their_pictures(data_set):
    square = "0 0.2 0.2 0.4 0.2 0.4 0.4 0.2 0.4"
    data = data_set(
        {"a": ((100, 100), [square]), "b": ((50, 50), []), "c": ((200, 200), [square, square.replace("0 ", "1 ", 1)])}
    )
    assert sides(data) == pytest.approx([20, 40, 40], rel=1e-5)


def test_poses_count_by_their_boxes(data_set):
    pose = "0 0.5 0.5 0.2 0.4 0.4 0.4 2 0.6 0.6 1"
    assert sides(data_set({"a": ((100, 100), [pose])}, kpt_shape=[2, 3])) == pytest.approx([np.sqrt(800)], rel=1e-5)


def test_an_exif_rotation_is_applied_as_in_a_training(data_set, tmp_path):
    data = data_set({"a": ((200, 100), ["0 0.5 0.5 0.1 0.1"])})
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = tmp_path / "set" / "images" / "train" / "a.png"
    picture.unlink()
    Image.new("RGB", (200, 100)).save(picture.with_suffix(".jpg"), exif=exif)
    assert read_objects(data).pictures.tolist() == [[100, 200]]


def test_pictures_that_cannot_be_read_are_counted(data_set, tmp_path):
    data = data_set(BOXES)
    (tmp_path / "set" / "images" / "train" / "broken.png").write_bytes(b"no picture")
    assert measure(read_objects(data)).unreadable == 1
    assert measure(read_objects(data)).unreadable == 1  # also where the cache of the labels tells


def test_the_split_is_chosen(data_set, tmp_path):
    data = data_set(BOXES, test="images/test")
    (tmp_path / "set" / "images" / "test").mkdir()
    (tmp_path / "set" / "labels" / "test").mkdir()
    Image.new("RGB", (100, 100)).save(tmp_path / "set" / "images" / "test" / "t.png")
    (tmp_path / "set" / "labels" / "test" / "t.txt").write_text("0 0.5 0.5 0.3 0.3")
    assert sides(data, split="test") == pytest.approx([30], rel=1e-5)


@pytest.mark.parametrize(
    ("pictures", "keys", "split", "error", "message"),
    [
        ({"a": ((9, 9), [])}, {}, "train", ValueError, "its train split cannot be read"),
        ({"a": ((20, 20), None)}, {}, "train", ValueError, r"no boxes in its train split \(pictures: 1\), as in"),
        ({"a": ((20, 20), [])}, {}, "train", ValueError, r"no boxes in its train split \(pictures: 1\), as in"),
        ({}, {}, "train", FileNotFoundError, "no picture in its train split"),
        (BOXES, {}, "test", ValueError, "names no test split"),
        (BOXES, {"map": {"n01440764": "tench"}}, "train", ValueError, "describes a classifier's set"),
        (BOXES, {"names": None}, "train", ValueError, "it has no names of classes"),
    ],
    ids=["no picture large enough", "no labels", "empty labels", "no pictures", "no such split", "classifier", "no names"],
)  # fmt: skip
def test_data_without_sizes_are_refused(data_set, pictures, keys, split, error, message):
    data = data_set(pictures, **keys)
    with pytest.raises(error, match=message):
        read_objects(data, split)


def test_a_folder_of_class_folders_is_called_a_classifiers_set(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="is a folder, as a classifier's set is; object sizes need"):
        read_objects(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("a: [", "is no YAML file"), ("only words", "it holds no keys")])
def test_a_file_that_is_no_data_yaml_is_refused(tmp_path, text, message):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_objects(tmp_path / "data.yaml")


@pytest.mark.parametrize("training_sizes", [[], [0], [640, -1]])
def test_training_sizes_are_positive(training_sizes):
    objects = Objects(np.ones((1, 2)), np.zeros(1, int), np.ones((1, 2)), np.ones(1), 0)
    with pytest.raises(ValueError, match="training sizes are"):
        measure(objects, training_sizes)
