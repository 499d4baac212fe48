"""`yolo-attn advise` as a user types it."""

import json
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.advice.conftest import BOXES, data_set  # noqa: F401  (a fixture)
from yolo_attn import cli


def run(*arguments) -> str:
    done = CliRunner().invoke(cli.app, ["advise", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(monkeypatch, capsys, *arguments) -> str:
    monkeypatch.setattr(sys, "argv", ["yolo-attn", "advise", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_advise_prints_the_distribution_the_shares_and_the_advice(data_set):  # noqa: F811
    out = " ".join(run(data_set(BOXES)).split())
    for words in (
        "side of an object, pixels",
        "imgsz=1536",
        "below 16 px",
        "3 objects on 3 pictures, 1 of them without",
    ):
        assert words in out
    for question in ("image size: imgsz=640 because", "P2 head: no because", "tiles: no, whole pictures because"):
        assert question in out
    assert out.count("rule:") == out.count("source:") == 3


def test_advise_writes_json_and_a_figure(data_set, tmp_path):  # noqa: F811
    run(data_set(BOXES), "--imgsz", "320, 640", "--json", tmp_path / "sizes.json", "--plots", tmp_path / "plots")
    content = json.loads((tmp_path / "sizes.json").read_text())
    assert (content["split"], content["objects"]) == ("train", 3)
    assert [entry["imgsz"] for entry in content["at"]] == [320, 640]
    assert content["at"][0]["below"]["32"] == pytest.approx(1 / 3)
    assert [entry["question"] for entry in content["advice"]] == ["image size", "P2 head", "tiles"]
    with Image.open(tmp_path / "plots" / "sizes.png") as figure:
        assert figure.width > 1000


def test_advise_draws_objects_without_area_and_of_one_size(data_set, tmp_path):  # noqa: F811
    run(data_set({"a": ((90, 90), ["0 0.5 0.5 0 0.2"])}), "--plots", tmp_path / "none")
    run(data_set({"a": ((90, 90), ["0 0.5 0.5 0.2 0.2"])}), "--plots", tmp_path / "one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--imgsz", "640,small"], "--imgsz is '640,small'; give whole numbers"),
        (["--imgsz", "0"], "--imgsz is '0'; give whole numbers"),
        (["--split", "valid"], "--split is 'valid'; it is train, val or test"),
    ],
)
def test_advise_refuses_wrong_options(monkeypatch, capsys, data_set, arguments, message):  # noqa: F811
    assert message in refused(monkeypatch, capsys, data_set(BOXES), *arguments)


def test_advise_says_in_one_sentence_that_a_set_has_no_boxes(monkeypatch, capsys, data_set, tmp_path):  # noqa: F811
    assert "as in a classifier's set; object sizes need" in refused(
        monkeypatch, capsys, data_set({"a": ((20, 20), None)})
    )
    assert "is a folder, as a classifier's set is" in refused(monkeypatch, capsys, tmp_path)
    assert "ImageNet.yaml describes a classifier's set" in refused(monkeypatch, capsys, "ImageNet.yaml")
    assert "nowhere.yaml: no such data YAML" in refused(monkeypatch, capsys, "nowhere.yaml")


def test_advise_has_an_example():
    assert "Example: yolo-attn advise aerial-demo.yaml" in " ".join(run("--help").split())
