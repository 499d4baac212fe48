"""What `check` finds, each case a small model with one thing wrong."""

from pathlib import Path

import pytest
import ultralytics

from yolo_attn.checking.check import check
from yolo_attn.plugin.files import find

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
CFG = Path(__file__).parents[2] / "cfg"
RIGHT = """\
nc: 3
scales:
  n: [1.0, 0.25, 1024]
  s: [1.0, 0.50, 1024]
backbone:
  - [-1, 1, Conv, [64, 3, 2]] # 0-P1/2
  - [-1, 1, Conv, [128, 3, 2]] # 1-P2/4
  - [-1, 1, EMA, [8]] # 2
  - [-1, 1, Conv, [128, 3, 2]] # 3
head:
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]] # 4
  - [[-1, 2], 1, Concat, [1]] # 5
  - [[5, 3], 1, Detect, [nc]] # 6
"""


def found(text: str) -> list[str]:
    return [str(finding) for finding in check(text)]


def test_nothing_is_found_in_a_right_model():
    assert found(RIGHT) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[-1, 2], 1, Concat", "[[-1, 1], 1, Concat", "warning: row 5: Concat reads row 1 past EMA, which is row 2"),
        ("[[5, 3], 1, Detect", "[[1, 3], 1, Detect", "error: row 6: Detect reads row 1 past EMA, which is row 2"),
        ("# 3\n", "# 4\n", "warning: row 3: its comment says row 4"),
        (
            "EMA, [8]",
            "EMA, [12]",
            "error: row 2: does not build: EMA: 32 channels cannot be split into 12 groups; the nearest factors that fit are 8 and 16.",
        ),
        ("EMA, [8]", "EMA, [32]", None),
        (
            "EMA, [8]",
            "EMA, [64]",
            "error: row 2: does not build: EMA: 32 channels cannot be split into 64 groups; the nearest factor that fits is 32.",
        ),
        ("EMA, [8]", "EMMA, [8]", "error: row 2: there is no layer EMMA; did you mean EMA?"),
        ("EMA, [8]", "Kernel, [8]", "error: row 2: there is no layer Kernel"),
        ("EMA, [8]", "EMA, [a]", "error: row 2: does not build: 'a' does not fit factor of EMA(factor: int = 32)"),
        ("[[-1, 2]", "[[-1, 9]", "error: row 5: Concat reads row 9, which is not a row before it"),
        ("[[-1, 2]", "[[-7, 2]", "error: row 5: Concat reads row -7, which is not a row before it"),
        ("[[-1, 2]", "[[-1, 0]", "error: row 5: Concat joins feature maps of unequal strides (row 4: 4, row 0: 2)"),
        ("[-1, 1, Conv, [128, 3, 2]] # 3", "[-1, 1, Conv, [128, 3, 2, 1, 7]] # 3", "error: does not build: "),
    ],
    ids=lambda value: None if value is None else value[:40],
)
def test_one_thing_wrong_is_found_and_named(old, new, message):
    assert old in RIGHT
    report = found(RIGHT.replace(old, new))
    if message is None:
        assert report == []
    else:
        assert any(line.startswith(message) for line in report), report


def test_a_layer_that_nothing_reads_is_an_error():
    text = RIGHT.replace("  - [-1, 1, Conv, [128, 3, 2]] # 3", "  - [1, 1, Conv, [128, 3, 2]] # 3").replace(
        "[[-1, 2]", "[[-1, 1]"
    )
    assert "error: row 2: EMA is without effect: nothing reads it" in found(text)


def test_a_layer_whose_reader_never_reaches_the_head_is_an_error():
    text = RIGHT.replace("[[5, 3], 1, Detect", "[[3, 3], 1, Detect").replace(
        "  - [-1, 1, Conv, [128, 3, 2]] # 3", "  - [1, 1, Conv, [128, 3, 2]] # 3"
    )
    report = found(text)
    assert "error: row 2: EMA is without effect: its output never reaches the head" in report
    assert "warning: row 5: Concat is without effect: nothing reads it" in report


@pytest.mark.parametrize("text", ["", "nc: [", "backbone: []\n"], ids=["empty", "broken", "headless"])
def test_a_file_that_is_no_model_is_one_error(text):
    (finding,) = check(text)
    assert (finding.level, finding.row) == ("error", None)


@pytest.mark.parametrize("path", sorted(CFG.glob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_is_found_in_the_files_of_cfg(path):
    assert found(path.read_text()) == []


@pytest.mark.parametrize("name", ["v5/yolov5", "v8/yolov8-seg", "11/yolo11-cls", "v9/yolov9c", "v10/yolov10n"])
def test_stock_files_have_no_errors(name):
    assert [
        line for line in found(find(STOCK / f"{name}.yaml").read_text(encoding="utf-8")) if line.startswith("error")
    ] == []
