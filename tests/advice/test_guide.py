"""The example of the guide is what the command prints."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from yolo_attn import cli, demo
from yolo_attn.visdrone.splits import FOLDERS

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "sizes.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_guide_shows_the_numbers_of_the_demo_set(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    demo.draw(tmp_path / "set")
    folders = {split: f"{FOLDERS[split]}/images" for split in ("train", "val")}
    content = {"path": str(tmp_path / "set"), **folders, "names": [*demo.annotations.NAMES]}
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump(content))
    done = CliRunner().invoke(cli.app, ["advise", str(tmp_path / "demo.yaml")], catch_exceptions=False)
    shown = [line.strip() for line in GUIDE.splitlines() if line.startswith(("│", "┃"))]
    assert len(shown) == 9
    printed = [line.strip() for line in done.output.splitlines()]
    assert [line for line in shown if line not in printed] == []
    assert "image size: imgsz=640" in printed and "P2 head: no" in printed and "tiles: no, whole pictures" in printed
