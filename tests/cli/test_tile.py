"""`yolo-attn tile` as a user types it."""

import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.yolo_format.test_tile_split import picture
from yolo_attn import cli


@pytest.fixture
def data(tmp_path) -> Path:
    picture(tmp_path / "set", "a.png", "0 0.5 0.5 0.2 0.2\n", size=(100, 64))
    content = {"path": str(tmp_path / "set"), "train": "images", "val": "images", "names": ["x"]}
    (tmp_path / "some.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "some.yaml"


def refused(monkeypatch, capsys, *arguments) -> str:
    monkeypatch.setattr(sys, "argv", ["yolo-attn", "tile", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    *bars, message = capsys.readouterr().err.splitlines()
    assert all("%" in line for line in bars)
    assert message.startswith("yolo-attn: ")
    return message


def test_a_data_set_is_tiled_beside_itself(data):
    done = CliRunner().invoke(cli.app, ["tile", str(data), "--tiles", "64"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    made = data.parent / "set-tiles-64"
    assert {path.name for path in made.iterdir()} == {"some-tiles-64.yaml", "train", "val"}
    assert (made / "train" / "images.txt").read_text() == "./images/a_x0_y0.png\n./images/a_x36_y0.png\n"
    assert "train with data=" in done.stdout
    assert "labels in tiles" in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tiles", "31"], "a tile is no smaller than a network's stride"),
        (["--overlap", "1"], "below 1"),
        (["--keep-empty", "2"], "share of empty tiles 2"),
        (["--splits", "train,test"], "has no split test; it has train, val"),
    ],
)
def test_options_out_of_range_end_in_one_sentence(monkeypatch, capsys, data, options, sentence):
    assert sentence in refused(monkeypatch, capsys, data, *options)
    assert not (data.parent / "set-tiles-640").exists()


def test_a_yaml_without_a_key_and_a_label_file_with_polygons_end_in_one_sentence(monkeypatch, capsys, data):
    (data.parent / "no.yaml").write_text("train: images\nval: images\n")
    assert "names" in refused(monkeypatch, capsys, data.parent / "no.yaml")
    assert "no such data YAML" in refused(monkeypatch, capsys, "nowhere.yaml")
    (data.parent / "set" / "labels" / "a.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    assert "a.txt, line 1: " in refused(monkeypatch, capsys, data)
