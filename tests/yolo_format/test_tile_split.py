"""A tiled copy of a split: its files, its report, what is refused, and what an interruption leaves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from yolo_attn.tiling import TileGrid
from yolo_attn.yolo_format.images import images_of, seen_size
from yolo_attn.yolo_format.tile_files import Tiling
from yolo_attn.yolo_format.tile_report import TileReport
from yolo_attn.yolo_format.tile_split import tile_split

HALVES = Tiling(TileGrid(counts=(2, 1), overlap=0), empty=1)


def picture(
    folder: Path, name: str, labels: str | None, size=(200, 100), regions: str | None = None, seed: int = 0
) -> Path:
    """A picture of noise with its label file and its file of ignored regions."""
    for part in ("images", "labels", "ignored"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / "images" / name
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, noise)[1].tobytes())
    for part, text in (("labels", labels), ("ignored", regions)):
        if text is not None:
            (folder / part / f"{path.stem}.txt").write_text(text)
    return path


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_tiles_hold_the_pixels_the_labels_and_the_regions_of_their_place(tmp_path):
    # 200 x 100: a box of x 20..60, y 20..40; one of x 92..102, y 10..30, of which 2 of 10 columns lie right; a region on the right
    text = "3 0.2 0.3 0.2 0.2\n7 0.485 0.2 0.05 0.2\n"
    image = picture(tmp_path / "set", "a.png", text, regions="0.75 0.5 0.5 1\n")
    report = tile_split([image], tmp_path / "tiles", HALVES)
    pixels = cv2.imread(str(image))
    found = files(tmp_path / "tiles")
    assert {name for name in found if name.startswith("images/")} == {"images/a_x0_y0.png", "images/a_x100_y0.png"}
    for left in (0, 100):
        tile = cv2.imread(str(tmp_path / "tiles" / "images" / f"a_x{left}_y0.png"))
        np.testing.assert_array_equal(tile, pixels[:, left : left + 100])
    assert (
        found["labels/a_x0_y0.txt"] == b"3 0.400000 0.300000 0.400000 0.200000\n7 0.960000 0.200000 0.080000 0.200000\n"
    )
    assert found["ignored/a_x0_y0.txt"] == found["labels/a_x100_y0.txt"] == b""
    assert (
        found["ignored/a_x100_y0.txt"] == b"0.500000 0.500000 1.000000 1.000000\n0.010000 0.200000 0.020000 0.200000\n"
    )
    assert found["images.txt"] == b"./images/a_x0_y0.png\n./images/a_x100_y0.png\n"
    assert report == TileReport(
        pictures=1, tiles=2, empty=1, boxes=2, labels=2, cut=1, remainders=1, regions=1, written=2
    )


def test_the_tiles_of_a_png_are_written_without_a_warning_of_opencv(tmp_path, capfd):
    tile_split([picture(tmp_path / "set", "a.png", "0 0.2 0.2 0.1 0.1\n")], tmp_path / "tiles", HALVES)
    assert capfd.readouterr().err == ""


def test_tiles_without_a_label_are_thinned_to_a_share_and_boxes_lost_are_counted(tmp_path):
    images = [picture(tmp_path / "set", f"{i:03d}.jpg", "", size=(64, 32)) for i in range(100)]
    images.append(picture(tmp_path / "set", "box.jpg", "0 0.5 0.5 1 1\n", size=(64, 32)))  # a quarter in each tile
    half = Tiling(TileGrid(counts=(4, 1), overlap=0), empty=0.5)
    report = tile_split(images, tmp_path / "half", half)
    assert report.tiles + report.thinned == 404
    assert 150 < report.tiles < 250  # 202 expected, deviation 10
    assert (report.lost, report.labels, report.empty) == (1, 0, report.tiles)
    assert len((tmp_path / "half" / "images.txt").read_text().splitlines()) == report.tiles
    few = tile_split(images[50:], tmp_path / "few", half)
    names = {*(tmp_path / "half" / "images.txt").read_text().splitlines()}
    assert {*(tmp_path / "few" / "images.txt").read_text().splitlines()} <= names, (
        "a choice does not depend on other pictures"
    )
    assert few.pictures == 51


def test_no_tile_at_all_is_refused_and_no_list_is_written(tmp_path):
    image = picture(tmp_path / "set", "a.jpg", "")
    with pytest.raises(ValueError, match="none of the 2 tiles of 1 pictures holds a box"):
        tile_split([image], tmp_path / "tiles", Tiling(TileGrid(counts=(2, 1)), empty=0))
    assert not (tmp_path / "tiles" / "images.txt").exists()


def test_pictures_of_any_size_and_without_label_file_get_tiles(tmp_path):
    images = [
        picture(tmp_path / "set", "one.png", "0 0.5 0.5 1 1\n", size=(1, 1)),
        picture(tmp_path / "set", "small.png", "0 0.5 0.5 0.5 0.5\n", size=(50, 30)),
        picture(tmp_path / "set", "large.png", None, size=(100, 70)),
    ]
    report = tile_split(images, tmp_path / "tiles", Tiling(TileGrid(size=64, overlap=0.25), empty=1))
    names = [path.stem for path in sorted((tmp_path / "tiles" / "images").iterdir())]
    assert names == ["large_x0_y0", "large_x0_y6", "large_x36_y0", "large_x36_y6", "one_x0_y0", "small_x0_y0"]
    assert (tmp_path / "tiles" / "labels" / "one_x0_y0.txt").read_text() == "0 0.500000 0.500000 1.000000 1.000000\n"
    assert (report.unlabelled, report.boxes, report.labels, report.empty) == (1, 2, 2, 4)
    assert report.regionless == 3


def test_a_picture_is_rotated_by_its_exif_as_training_sees_it(tmp_path):
    image = picture(tmp_path / "set", "a.jpg", "0 0.5 0.25 1 0.5\n")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(image).save(image, exif=exif)
    assert seen_size(image) == (100, 200)
    tile_split([image], tmp_path / "tiles", Tiling(TileGrid(counts=(1, 2), overlap=0), empty=1))
    tile = cv2.imread(str(tmp_path / "tiles" / "images" / "a_x0_y100.jpg"))
    assert tile.shape == (100, 100, 3)
    assert np.abs(tile.astype(int) - cv2.imread(str(image))[100:]).mean() < 12  # noise, through JPEG once more
    assert (tmp_path / "tiles" / "labels" / "a_x0_y0.txt").read_text() == "0 0.500000 0.500000 1.000000 1.000000\n"


def test_nothing_is_written_again_that_is_up_to_date_and_changes_are_followed(tmp_path):
    images = [picture(tmp_path / "set", f"{i}.jpg", "0 0.5 0.5 0.2 0.2\n") for i in range(3)]
    tile_split(images, tmp_path / "tiles", HALVES)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "tiles").rglob("*.*") if path.name != ".lock"}
    assert tile_split(images, tmp_path / "tiles", HALVES).written == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    (tmp_path / "tiles" / "labels.cache").write_bytes(b"what Ultralytics knew")
    (tmp_path / "set" / "labels" / "0.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    picture(tmp_path / "set", "1.jpg", None, seed=1)
    later = max(times.values()) + 10**9
    os.utime(images[1], ns=(later, later))
    assert tile_split(images, tmp_path / "tiles", HALVES).written == 2
    assert (tmp_path / "tiles" / "labels" / "0_x0_y0.txt").read_text().startswith("1 ")
    assert not (tmp_path / "tiles" / "labels.cache").exists()
    fresh = tmp_path / "fresh"
    tile_split(images, fresh, HALVES)
    assert files(tmp_path / "tiles") == files(fresh)


FOLLOWED = """
import sys
from pathlib import Path
from yolo_attn.tiling import TileGrid
from yolo_attn.yolo_format.images import images_of
from yolo_attn.yolo_format.tile_files import Tiling
from yolo_attn.yolo_format.tile_split import tile_split

def progress(tasks, title):
    for task in tasks:
        yield task
        print(title, flush=True)  # when the picture is done

tile_split(images_of(sys.argv[1]), Path(sys.argv[2]), Tiling(TileGrid(size=64), empty=0.5), progress)
"""


@pytest.mark.parametrize("steps", [1, 20, 40])
def test_a_run_killed_at_any_moment_leaves_whole_files_and_the_next_completes_it(tmp_path, steps):
    for i in range(40):
        picture(tmp_path / "set", f"{i:02d}.png", "0 0.5 0.5 0.1 0.1\n", size=(300, 200), regions="", seed=i)
    arguments = [str(tmp_path / "set" / "images"), str(tmp_path / "tiles")]
    process = subprocess.Popen([sys.executable, "-c", FOLLOWED, *arguments], stdout=subprocess.PIPE)
    for _ in range(steps):
        assert process.stdout.readline()
    process.kill()
    process.communicate()
    tiling = Tiling(TileGrid(size=64), empty=0.5)
    tile_split(images_of(tmp_path / "set" / "images"), tmp_path / "whole", tiling)
    expected, left = files(tmp_path / "whole"), files(tmp_path / "tiles")
    assert len(left) > 3
    assert all(content == expected[name] for name, content in left.items() if ".partial" not in name)
    tile_split(images_of(tmp_path / "set" / "images"), tmp_path / "tiles", tiling)
    assert {name: content for name, content in files(tmp_path / "tiles").items() if ".partial" not in name} == expected


@pytest.mark.parametrize(
    "other", [Tiling(TileGrid(counts=(2, 1), overlap=0.1)), Tiling(TileGrid(size=64), min_visible=0.5)]
)
def test_a_folder_that_holds_something_else_is_refused(tmp_path, other):
    image = picture(tmp_path / "set", "a.jpg", "0 0.5 0.5 0.2 0.2\n")
    tile_split([image], tmp_path / "tiles", HALVES)
    before = files(tmp_path / "tiles")
    with pytest.raises(FileExistsError, match="remove it or name another folder"):
        tile_split([image], tmp_path / "tiles", other)
    assert files(tmp_path / "tiles") == before
    (tmp_path / "tiles" / "tiles.json").write_text("{")
    with pytest.raises(FileExistsError, match=r"holds a damaged tiles\.json"):
        tile_split([image], tmp_path / "tiles", HALVES)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("work")
    with pytest.raises(FileExistsError, match="holds files that are no tiles"):
        tile_split([image], tmp_path / "own", HALVES)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"grid": TileGrid(size=16)}, "16 pixels; a tile is no smaller than a network's stride, 32"),
        ({"grid": TileGrid(size=64), "min_visible": 0}, "visible share 0"),
        ({"grid": TileGrid(size=64), "min_visible": 1.1}, "visible share 1.1"),
        ({"grid": TileGrid(size=64), "empty": -0.1}, "share of empty tiles -0.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Tiling(**settings)


def test_damaged_pictures_and_pictures_of_one_name_are_named(tmp_path):
    image = picture(tmp_path / "set", "a.jpg", "0 0.5 0.5 0.2 0.2\n")
    picture(tmp_path / "set" / "images", "a.png", "")
    with pytest.raises(ValueError, match="has the same name"):
        images_of([tmp_path / "set" / "images"])
    Image.new("RGB", (200, 100)).save(image, format="PCX")  # Pillow reads it, OpenCV does not
    with pytest.raises(ValueError, match=r"a\.jpg: OpenCV reads nothing, the header says 200 x 100"):
        tile_split([image], tmp_path / "tiles", HALVES)
    image.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.jpg: no readable image"):
        tile_split([image], tmp_path / "tiles", HALVES)
    with pytest.raises(FileNotFoundError, match="no picture there"):
        images_of(tmp_path / "set" / "labels")
