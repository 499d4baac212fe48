"""`visdrone compare`: official AP, pixels and seconds of whole pictures and of tiles; the best at each budget are marked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yolo_attn import cli
from yolo_attn.demo import draw
from yolo_attn.detection import compare as comparison
from yolo_attn.detection.compare import Row, Way, compare, to_json
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.tiling import TileGrid
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes

WAYS = [Way(64), Way(128), Way(128, TileSettings(TileGrid(64, overlap=0.25)))]


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Path:
    """Two pictures of 128 x 96 with their annotations."""
    root = draw(tmp_path_factory.mktemp("demo") / "set", (1, 2, 1), sizes=((128, 96),))
    return root / "VisDrone2019-DET-val"


def test_every_way_gets_its_official_numbers_and_its_pixels(exported, split, tmp_path):
    rows = compare(exported["dynamic"], split / "images", split / "annotations", tmp_path, WAYS)
    assert [row.way for row in rows] == ["whole-64", "whole-128", "tiles-64-overlap-0.25"]
    # 64 x 48 is padded to 64 x 64. Tiles start at 0, 48 and 64, and at 0 and 32: six of 128 x 128, and the whole picture.
    assert [row.megapixels * 1e6 for row in rows] == pytest.approx([64 * 64, 128 * 96, 6 * 128 * 128 + 128 * 96])
    for row in rows:
        found = evaluate(split / "annotations", tmp_path / row.way, read_sizes(split / "images"), details=True)
        assert row.official == found.official
        assert [*row.ap_by_size.values()] == pytest.approx([score.AP for score in found.by_size], nan_ok=True)
        assert row.seconds > 0


def test_a_second_run_keeps_pixels_and_seconds_and_detects_nothing_again(exported, split, tmp_path, monkeypatch):
    arguments = (exported["dynamic"], split / "images", split / "annotations", tmp_path, WAYS[:2])
    rows = compare(*arguments)
    monkeypatch.setattr("yolo_attn.detection.visdrone_predict.open_detector", None)
    assert to_json(compare(*arguments)) == to_json(rows)  # an unknown number, NaN, does not equal itself


def test_the_best_at_each_budget_are_marked():
    rows = [
        Row(way, pixels, seconds, {"AP": ap}, {})
        for way, pixels, seconds, ap in [("a", 1, 2, 10), ("b", 4, 1, 9), ("c", 2, 3, 12), ("d", 3, 4, 11)]
    ]
    marked = comparison.marked(rows)
    assert [row.way for row in marked] == ["a", "c", "d", "b"]
    assert [row.way for row in marked if row.best_for_pixels] == ["a", "c"]
    assert [row.way for row in marked if row.best_for_seconds] == ["a", "c", "b"]


def test_an_unknown_number_is_null_in_json_and_takes_no_mark():
    row = Row("a", float("nan"), 1.0, {"AP": 10.0}, {})
    (marked,) = comparison.marked([row])
    assert marked == replace(row, best_for_seconds=True)
    assert json.loads(comparison.to_json([marked]))[0]["megapixels"] is None


@pytest.mark.parametrize(
    ("ways", "message"), [([], "no sizes and no tiles given"), ([Way(64), Way(64)], "whole-64 given more than once")]
)
def test_ways_that_cannot_be_compared_are_refused(exported, split, tmp_path, ways, message):
    with pytest.raises(ValueError, match=message):
        compare(exported["dynamic"], split / "images", split / "annotations", tmp_path, ways)


def test_the_command_prints_the_table_and_writes_json(exported, split, tmp_path):
    arguments = ["--images", split / "images", "--annotations", split / "annotations", "--out", tmp_path / "out"]
    options = ["--sizes", "64,96", "--tiles", "64,2x1", "--no-whole", "--json", tmp_path / "table.json"]
    command = ["visdrone", "compare", "--model", exported["dynamic"], *arguments, *options]
    done = CliRunner().invoke(cli.app, [*map(str, command)], catch_exceptions=False, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "table.json").read_text())
    assert {row["way"] for row in rows} == {
        "whole-64", "whole-96", "tiles-64-overlap-0.2-only", "tiles-2x1-overlap-0.2-only"
    }  # fmt: skip
    for row in rows:
        assert row["way"] in done.output
        assert f"{row['official']['AP']:.2f}" in done.output
