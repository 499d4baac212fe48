import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from ultralytics.data import utils as ultralytics_data

from yolo_attn import demo
from yolo_attn.demo.scene import draw_picture
from yolo_attn.demo.town import Town
from yolo_attn.visdrone.annotations import NAMES, read
from yolo_attn.visdrone.labels import yolo_labels
from yolo_attn.yolo_format.rows import read_regions

COUNTS, SIZES = (3, 1, 2), ((160, 120), (160, 96))
YAML = Path(__file__).parents[2] / "data" / "aerial-demo.yaml"


def files(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    return demo.draw(tmp_path_factory.mktemp("demo") / "set", COUNTS, seed=3, sizes=SIZES)


@pytest.fixture(scope="module")
def pictures():
    return [draw_picture(np.random.default_rng([11, index]), (640, 480)) for index in range(12)]


@pytest.fixture(scope="module")
def rows(pictures):
    return np.concatenate([drawn.rows for drawn in pictures])


def test_a_set_has_the_official_layout_with_one_annotation_and_one_label_file_per_picture(small_set):
    stems = {"train": ["0_00000", "0_00001", "0_00002"], "val": ["1_00000"], "test-dev": ["2_00000", "2_00001"]}
    expected = {
        f"VisDrone2019-DET-{split}/{kind}/{stem}.{suffix}"
        for split, names in stems.items()
        for stem in names
        for kind, suffix in (("images", "jpg"), ("annotations", "txt"), ("labels", "txt"))
    }
    assert set(files(small_set)) == expected | {"recipe.json"}


def test_a_seed_gives_the_same_bytes_again(tmp_path, small_set):
    again = demo.draw(tmp_path / "again", COUNTS, seed=3, sizes=SIZES)
    assert files(again) == files(small_set)


def test_a_picture_does_not_depend_on_how_many_others_are_drawn(tmp_path, small_set):
    fewer = files(demo.draw(tmp_path / "fewer", (1, 1, 1), seed=3, sizes=SIZES))
    del fewer["recipe.json"]
    assert fewer.items() <= files(small_set).items()


def test_another_seed_gives_other_pictures_and_pictures_differ_from_each_other(tmp_path, small_set):
    other = files(demo.draw(tmp_path / "other", COUNTS, seed=4, sizes=SIZES))
    hashes = [value for found in (files(small_set), other) for name, value in found.items() if "images" in name]
    assert len(set(hashes)) == 12


def test_labels_are_those_of_the_annotations(small_set):
    for image in small_set.rglob("*.jpg"):
        height, width = cv2.imread(str(image)).shape[:2]
        assert (width, height) in SIZES
        text = image.parents[1] / "labels" / f"{image.stem}.txt"
        labels = np.loadtxt(text, ndmin=2).reshape(-1, 5)
        expected = yolo_labels(read(image.parents[1] / "annotations" / text.name), width, height).labels
        np.testing.assert_allclose(labels, expected, atol=5.1e-7)


def test_boxes_are_whole_pixels_inside_the_picture(rows):
    assert rows.dtype.kind == "i"
    assert (rows[:, :2] >= 0).all()
    assert (rows[:, 2:4] > 0).all()
    assert (rows[:, 0] + rows[:, 2] <= 640).all()
    assert (rows[:, 1] + rows[:, 3] <= 480).all()


def test_objects_are_small_and_as_unevenly_spread_over_all_classes_as_in_visdrone(rows):
    objects = rows[(rows[:, 5] >= 1) & (rows[:, 5] <= 10)]
    longest = objects[:, 2:4].max(1)
    assert ((longest >= 8) & (longest <= 60)).mean() > 0.85
    count = np.bincount(objects[:, 5], minlength=11)[1:]
    assert (count > 0).all(), dict(zip(NAMES, count, strict=True))
    assert set(np.argsort(count)[-3:]) >= {0, 3}, "pedestrians and cars are the most"
    assert count.max() > 8 * count.min()


def test_ignored_regions_others_truncation_and_occlusion_are_present(rows):
    regions, others, boxes = rows[rows[:, 5] == 0], rows[rows[:, 5] == 11], rows[rows[:, 5] > 0]
    assert len(regions) > 0
    assert set(regions[:, 4]) == {0}
    assert set(others[:, 4]) == {0, 1}
    assert set(boxes[boxes[:, 5] < 11, 4]) == {1}
    assert set(boxes[:, 6]) == {0, 1}
    assert set(boxes[:, 7]) == {0, 1, 2}


def test_a_box_clear_of_the_border_is_not_truncated(rows):
    boxes = rows[rows[:, 5] > 0]
    far = boxes[:, :2] + boxes[:, 2:4]
    inner = (boxes[:, :2] > 0).all(1) & (far < [640, 480]).all(1)
    assert not boxes[inner, 6].any()


def test_no_annotated_object_is_centred_in_an_ignored_region(pictures):
    for drawn in pictures:
        boxes = drawn.rows[drawn.rows[:, 5] > 0]
        centre = boxes[:, :2] + boxes[:, 2:4] / 2
        for left, top, width, height in drawn.rows[drawn.rows[:, 5] == 0, :4]:
            inside = (centre > [left, top]).all(1) & (centre < [left + width, top + height]).all(1)
            assert not inside.any()


def test_crowds_are_in_the_truth_and_in_the_picture_but_not_in_the_annotation():
    drawn = [draw_picture(np.random.default_rng([5, index]), (640, 480), crowds=True) for index in range(12)]
    crowded = [picture for picture in drawn if (picture.rows[:, 5] == 0).any()]
    assert len(crowded) >= 4
    for picture in crowded:
        (region,) = picture.rows[picture.rows[:, 5] == 0]
        centre = picture.truth[:, :2] + picture.truth[:, 2:4] / 2
        inside = ((centre > region[:2]) & (centre < region[:2] + region[2:4])).all(1)
        annotated = {tuple(row) for row in picture.rows if row[5]}
        assert {tuple(row) for row in picture.truth[~inside]} == annotated
        assert not (picture.truth[:, 5] == 0).any()
    assert sum(len(picture.truth) - len(picture.rows) + 1 for picture in crowded) > 20 * len(crowded)


def test_by_default_the_crowd_is_blurred_and_the_truth_holds_it_too(pictures):
    for drawn in pictures:
        regions = (drawn.rows[:, 5] == 0).sum()
        assert len(drawn.truth) > len(drawn.rows) - regions if regions else len(drawn.truth) == len(drawn.rows)


def test_a_set_with_crowds_has_regions_for_training_and_the_truth_and_is_another_set(tmp_path, small_set):
    root = demo.draw(tmp_path / "set", COUNTS, seed=3, sizes=SIZES, crowds=True)
    kinds = [{path.parent.name for path in found.rglob("*.txt")} for found in (root, small_set)]
    assert kinds[0] - kinds[1] == {"ignored", "truth"}
    for image in root.rglob("*.jpg"):
        height, width = cv2.imread(str(image)).shape[:2]
        rows = read(image.parents[1] / "annotations" / f"{image.stem}.txt")
        boxes = read_regions(image.parents[1] / "ignored" / f"{image.stem}.txt")
        corners = (boxes[:, :2] - boxes[:, 2:] / 2) * [width, height]
        np.testing.assert_allclose(corners, rows[rows[:, 5] == 0, :2], atol=2e-4)
    with pytest.raises(FileExistsError):
        demo.draw(root, COUNTS, seed=3, sizes=SIZES)


def test_an_interrupted_drawing_leaves_nothing_behind(tmp_path):
    def interrupted(jobs):
        for i, job in enumerate(jobs):
            if i == 3:
                raise KeyboardInterrupt
            yield job

    with pytest.raises(KeyboardInterrupt):
        demo.draw(tmp_path / "set", COUNTS, sizes=SIZES, progress=interrupted)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from yolo_attn.demo import draw
try:
    draw(sys.argv[1], (1, 1, 1), sizes=((160, 120),))
except OSError as error:
    print(error.filename)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_is_reported_with_the_file_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "set")], capture_output=True, text=True)
    assert done.stdout.strip().endswith(os.path.join("images", "0_00000.jpg")), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_set_is_not_at_its_place_before_it_is_whole(tmp_path):
    def watched(jobs):
        for job in jobs:
            assert not (tmp_path / "set").exists()
            yield job

    demo.draw(tmp_path / "set", COUNTS, sizes=SIZES, progress=watched)
    assert (tmp_path / "set" / "VisDrone2019-DET-val" / "images").is_dir()


def test_two_runs_that_start_at_once_both_end_with_the_whole_set(tmp_path, small_set):
    together = threading.Barrier(2)

    def started_together(jobs):
        together.wait(30)
        return jobs

    def draw():
        found.append(files(demo.draw(tmp_path / "set", COUNTS, 3, SIZES, progress=started_together)))

    found, threads = [], [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [files(small_set)] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_set_that_is_there_is_not_drawn_again(small_set):
    def never(jobs):
        raise AssertionError("drawn again")

    assert demo.draw(small_set, COUNTS, seed=3, sizes=SIZES, progress=never) == small_set


def test_an_empty_folder_is_filled(tmp_path, small_set):
    (tmp_path / "set").mkdir()
    assert files(demo.draw(tmp_path / "set", COUNTS, 3, SIZES)) == files(small_set)


def broken(root):
    demo.draw(root, (1, 1, 1), sizes=SIZES)
    (root / "VisDrone2019-DET-val" / "images").rename(root / "gone")


@pytest.mark.parametrize(
    "occupy",
    [
        lambda root: demo.draw(root, (2, 1, 1), sizes=SIZES),
        broken,
        lambda root: (root.mkdir(), (root / "thesis.txt").write_text("work")),
        lambda root: root.write_text("a file"),
        lambda root: (root.mkdir(), (root / "recipe.json").write_bytes(b"")),
    ],
    ids=["another-set", "part-of-a-set", "something-else", "a-file", "empty-recipe"],
)
def test_anything_else_at_the_place_stays_and_is_named(tmp_path, occupy):
    occupy(tmp_path / "set")
    before = files(tmp_path)
    with pytest.raises(FileExistsError, match="remove it or name another folder"):
        demo.draw(tmp_path / "set", (1, 1, 1), sizes=SIZES)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("images", "sizes"), [((1, 1), SIZES), ((1, 0, 1), SIZES), ((1, 1, 1), ()), ((1, 1, 1), ((640, 32),))]
)
def test_counts_and_sizes_out_of_range_are_refused(tmp_path, images, sizes):
    with pytest.raises(ValueError, match="demo set"):
        demo.draw(tmp_path / "set", images, sizes=sizes)


def test_ultralytics_draws_the_set_from_the_yaml_and_reads_it_back(tmp_path, monkeypatch):
    whole = demo.draw
    monkeypatch.setattr(demo, "draw", lambda root, **given: whole(root, COUNTS, sizes=SIZES, **given))
    monkeypatch.setattr(ultralytics_data, "DATASETS_DIR", tmp_path)
    monkeypatch.setattr(ultralytics_data, "check_font", lambda font: None)  # would download
    monkeypatch.chdir(tmp_path)
    data = ultralytics_data.check_det_dataset(str(YAML))
    assert list(data["names"].values()) == list(NAMES)
    assert [len(list(Path(data[split]).glob("*.jpg"))) for split in ("train", "val", "test")] == list(COUNTS)
    images = [str(path) for path in Path(data["train"]).glob("*.jpg")]
    assert all(Path(labels).is_file() for labels in ultralytics_data.img2label_paths(images))
    assert ultralytics_data.check_det_dataset(str(YAML))["train"] == data["train"]


def test_objects_do_not_stand_in_each_other():
    town = Town(np.random.default_rng(2), reach=60, heading=0.3, near=lambda position, margin: True)
    objects = [thing for thing in town.things if thing.category]
    # Each lot, shrunk by a tenth, is filled on a map of 5 cm cells: no cell may be filled twice.
    taken = np.zeros((3000, 3000), np.uint8)
    for lot in town.lots:
        filled = np.zeros_like(taken)
        cv2.fillConvexPoly(filled, np.rint(((lot - lot.mean(0)) * 0.9 + lot.mean(0)) * 20 + 1500).astype(np.int32), 1)
        taken += filled
    assert len(objects) == len(town.lots) > 50
    assert taken.max() == 1
