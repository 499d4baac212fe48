"""The matrix of runtimes: one row for each model whatever a converter does, and the counts of its summary."""

import json
import sys

import pytest

from scripts import results
from scripts.reproduce import runtime_cells, runtimes, runtimes_page
from yolo_attn.layers import LAYERS

# Prints the rows of "a" and ends at "b"; sleeps at "slow"; as a child of the script would.
CHILD = """import json, os, sys, time
for name in sys.argv[4:-1]:
    if name == "b":
        os._exit(3)
    if name == "slow":
        time.sleep(60)
    print("noise of a converter", flush=True)
    print("cell: " + json.dumps([name, "right", 0.5, 1.0, ""]), flush=True)
"""


@pytest.fixture
def converter(tmp_path, monkeypatch):
    """Child processes run CHILD."""
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    popen = runtimes.subprocess.Popen
    monkeypatch.setattr(
        runtimes.subprocess,
        "Popen",
        lambda command, **options: popen([sys.executable, str(tmp_path / "child.py"), *command[1:]], **options),
    )


def test_what_ends_a_converter_costs_one_row_alone(converter):
    found = list(runtimes.rows("onnx", ["a", "b", "c", "d"]))
    assert [row[:2] for row in found] == [("a", "right"), ("b", "fails"), ("c", "right"), ("d", "right")]
    assert found[1][-1] == "the process ended with status 3"


def test_a_converter_that_hangs_is_ended(converter, monkeypatch):
    monkeypatch.setattr(runtimes, "SECONDS", 1)
    (row,) = runtimes.rows("onnx", ["slow"])
    assert row == ("slow", "fails", None, None, "no end within 1 s")


def test_every_layer_has_a_row_in_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("EMCA", "CA"):
        built = runtime_cells.model(name)
        assert isinstance(built.model.model[2], LAYERS[name]) and not built.model.training


def test_the_summary_counts_what_converts_as_right_and_a_refusal_as_neither(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "DATA", tmp_path)
    monkeypatch.setattr(results, "refresh_pages", lambda: None)
    made = results.Made("command", "abc", "machine", {"torch": "2", "ultralytics": "8", "ncnn": "1"}, 0.5)
    rows = [["EMA", "right", 0.123, 4.5, ""], ["CA", "wrong", 7.0, 1.0, ""], ["DMSA", "refused", None, None, "row 2"]]
    table = results.Table(
        ("layer", "outcome", "share of what is allowed", "ms", "error"), tuple(map(tuple, rows)), made
    )
    (tmp_path / "runtime-ncnn.json").write_text(table.to_json(), encoding="utf-8")
    runtimes_page.collect()
    saved = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["rows"] for path in tmp_path.glob("runtimes*.json")
    }
    assert saved["runtimes"] == [
        ["ncnn", "torch 2, ncnn 1", "layers", 3, 1, 1, 1, "33%", "abc", 0.5],
        ["all", "", "", 3, 1, 1, 1, "33.3%", "", None],
    ]
    assert saved["runtimes-layers"] == [["EMA", "0.12; 4.50 ms"], ["CA", "wrong"], ["DMSA", "refused"]]
    assert [row[1:] for row in saved["runtimes-others"]] == [["CA", "wrong", ""], ["DMSA", "refused", "row 2"]]
