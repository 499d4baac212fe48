"""A tiled copy of a data set, and that Ultralytics trains on it."""

import pytest
import yaml
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset

from tests.yolo_format.test_tile_split import picture
from yolo_attn.tiling import TileGrid
from yolo_attn.yolo_format.tile_files import Tiling
from yolo_attn.yolo_format.tile_set import tile_set

TILING = Tiling(TileGrid(size=64, overlap=0.2), empty=1)


@pytest.fixture
def data(tmp_path) -> dict:
    """A data set whose splits are a folder, a list of pictures and two folders."""
    root = tmp_path / "set"
    picture(root / "a", "one.png", "1 0.5 0.5 0.1 0.1\n", size=(100, 64))
    picture(root / "a", "two.png", "0 0.25 0.5 0.1 0.1\n", size=(64, 64), regions="0.5 0.5 0.2 0.2\n")
    picture(root / "b", "three.png", "0 0.5 0.5 0.1 0.1\n", size=(70, 64))
    picture(root / "b", "four.png", "", size=(64, 64))
    (root / "val.txt").write_text("./b/images/three.png\n")
    content = {
        "path": str(root),
        "train": "a/images",
        "val": "val.txt",
        "test": ["a/images", "b/images"],
        "names": ["x", "y"],
    }
    (tmp_path / "some.yaml").write_text(yaml.safe_dump(content))
    return check_det_dataset(str(tmp_path / "some.yaml"))


def test_ultralytics_trains_on_the_tiles_and_the_other_splits_stay(data, tmp_path):
    path, reports = tile_set(data, tmp_path / "tiles", TILING)
    assert path == tmp_path / "tiles" / "some-tiles-64.yaml"
    assert {split: (report.pictures, report.tiles) for split, report in reports.items()} == {
        "train": (2, 3),
        "val": (1, 2),
    }
    made = check_det_dataset(str(path))
    assert made["names"] == {0: "x", 1: "y"}
    assert made["ignored"] == "fill"
    assert made["test"] == data["test"]
    built = build_yolo_dataset(get_cfg(overrides={"imgsz": 64, "task": "detect"}), made["train"], 2, made, mode="train")
    labels = {label["im_file"].rpartition("one")[2]: len(label["cls"]) for label in built.labels}
    assert labels["_x0_y0.png"] == labels["_x36_y0.png"] == 1
    assert (built.load_image(2)[0][27:37, 27:37] == 114).all()  # in the region of two.png, x and y 25.6..38.4
    validated = build_yolo_dataset(get_cfg(overrides={"imgsz": 64, "task": "detect"}), made["val"], 2, made, mode="val")
    assert len(validated) == 2


def test_every_split_may_be_tiled_and_an_unknown_one_is_refused(data, tmp_path):
    _, reports = tile_set(data, tmp_path / "tiles", TILING, ["test"])
    assert reports["test"].pictures == 4
    with pytest.raises(ValueError, match=r"some\.yaml: has no split minival; it has train, val, test"):
        tile_set(data, tmp_path / "tiles", TILING, ["train", "minival"])


def test_pictures_of_other_channels_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="4 channels"):
        tile_set(data | {"channels": 4}, tmp_path / "tiles", TILING)
