"""Tiled copies of prepared splits, and the data YAML that names them."""

import pytest
import yaml

from tests.visdrone.test_prepare import CAR, split
from yolo_attn.tiling import TileGrid
from yolo_attn.visdrone.prepare import prepare
from yolo_attn.visdrone.tile import tile_splits
from yolo_attn.yolo_format.tile_files import Tiling

TILING = Tiling(TileGrid(counts=(2, 1), overlap=0), empty=0)


def test_annotations_become_labels_and_ignored_regions_of_tiles(tmp_path):
    # 100 x 50 pixels: the car of x 10..40, a bus of x 40..60, a van of x 44..52, of which 2 of 8 columns lie right, a region
    rows = CAR + "40,10,20,10,1,9,0,0\n44,30,8,10,1,5,0,0\n70,0,20,20,0,0,0,0\n"
    folder = split(tmp_path, {"a": rows}, "train")
    prepare(tmp_path, ["train"])
    _, reports = tile_splits(tmp_path, ["train"], TILING)
    tiles = folder.with_name(f"{folder.name}-tiles-2x1")
    left, right = ((tiles / "labels" / f"a_x{x}_y0.txt").read_text().splitlines() for x in (0, 50))
    assert [row.split()[0] for row in left] == ["3", "8", "4"]
    assert right == ["8 0.100000 0.300000 0.200000 0.200000"]
    assert (tiles / "ignored" / "a_x50_y0.txt").read_text().splitlines() == [
        "0.600000 0.200000 0.400000 0.400000",
        "0.020000 0.700000 0.040000 0.200000",
    ]
    assert (reports["train"].labels, reports["train"].remainders, reports["train"].regions) == (4, 1, 1)


@pytest.mark.parametrize("tiled", [["train"], ["train", "val"], ["test-dev"]])
def test_the_yaml_names_tiles_where_there_are_any(tmp_path, tiled):
    for name in ("train", "val", "test-dev"):
        split(tmp_path, {"a": CAR}, name)
    prepare(tmp_path)
    path, _ = tile_splits(tmp_path, tiled, TILING)
    content = yaml.safe_load(path.read_text())
    for key, name in (("train", "train"), ("val", "val"), ("test", "test-dev")):
        assert content[key] == f"VisDrone2019-DET-{name}{'-tiles-2x1' * (name in tiled)}/images.txt"
        assert (tmp_path / content[key]).is_file()
    assert content["names"][9] == "motor"


def test_a_split_that_is_not_prepared_is_named_all_the_same(tmp_path):
    split(tmp_path, {"a": CAR}, "train")
    prepare(tmp_path, ["train"])
    path, _ = tile_splits(tmp_path, ["train"], TILING)
    content = yaml.safe_load(path.read_text())
    assert content["val"] == "VisDrone2019-DET-val/images.txt"
    assert "test" not in content
