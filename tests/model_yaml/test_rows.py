"""Rows of a model YAML in every way in which lists can be written."""

import json
from pathlib import Path

import pytest
import ultralytics
import yaml

from yolo_attn.model_yaml import edit
from yolo_attn.model_yaml.control import control
from yolo_attn.model_yaml.rows import parse

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
YOLOV8 = (STOCK / "v8" / "yolov8.yaml").read_text(encoding="utf-8")
MODEL = yaml.safe_load(YOLOV8)
HEAD_FIRST = """\
head:
  - [[-1, 0], 1, Concat, [1]] # 2
  - [[1, -1, 0], 1, Detect, [nc]]
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 1]]"""
STYLES = {
    "stock": YOLOV8,
    "CRLF": YOLOV8.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + YOLOV8,
    "no newline at the end": YOLOV8.rstrip(),
    "block style": yaml.safe_dump(MODEL, sort_keys=False),
    "sorted block style": yaml.safe_dump(MODEL),
    "indented block style": """\
backbone:
  -
    - -1 # from
    - 1
    - Conv
    -
      - 8

  # two
  - - -1
    - 1
    - Conv
    - [8] # 1
head:
  - - [-1, 0]
    - 1
    - Concat
    - - 1
  - [-1, 1, Detect, [nc]]
""",
    "rows in flow style": yaml.safe_dump(MODEL, default_flow_style=None, sort_keys=False),
    "narrow": yaml.safe_dump(MODEL, default_flow_style=None, width=20),
    "flow style": yaml.safe_dump(MODEL, default_flow_style=True, sort_keys=False),
    "JSON": json.dumps(MODEL),
    "JSON over lines": json.dumps(MODEL, indent=2),
    "head first": HEAD_FIRST,
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_rows_are_read_as_yaml_reads_them(text):
    model = yaml.safe_load(text)
    values = [[row.references, row.repeats, row.module, row.args] for row in parse(text)]
    assert values == [
        [source if isinstance(source, list) else [source], *rest] for source, *rest in model["backbone"] + model["head"]
    ]


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_a_layer_behind_any_row_is_read_by_the_readers_of_that_row_and_comes_out_again(text):
    rows = parse(text)
    for after in range(len(rows) - 1):
        changed = edit.insert(text, after, "EMA", [8])
        model = yaml.safe_load(changed)
        new = model["backbone"] + model["head"]
        assert new[after + 1] == [-1, 1, "EMA", [8]]
        assert [row[1:] for row in new[: after + 1] + new[after + 2 :]] == [
            [row.repeats, row.module, row.args] for row in rows
        ]
        moved = [row.sources for row in parse(changed)]
        del moved[after + 1]
        assert moved == [[source + (source >= after) for source in row.sources] for row in rows]
        assert edit.strip(changed) == text


def test_a_text_keeps_its_line_ends():
    changed = edit.insert(STYLES["CRLF"], 3, "EMA")
    assert changed.count("\n") == changed.count("\r\n") == STYLES["CRLF"].count("\r\n") + 1


@pytest.mark.parametrize("style", ["block style", "JSON", "narrow"])
def test_a_control_is_made_in_any_style(style):
    model = yaml.safe_load(control(edit.insert(STYLES[style], 9, "EMA", [8])))
    assert model["backbone"][10] == [-1, 1, "PointwiseControl", ["EMA", 8]]
    assert yaml.safe_load(STYLES[style])["head"][-1][2] == model["head"][-1][2] == "Detect"


def text_with(source: str) -> str:
    return f"backbone:\n  - [-1, 1, Conv, [8]]\n  - [{source}, 1, Conv, [8]]\nhead:\n  - [-1, 1, Detect, [nc]]\n"


@pytest.mark.parametrize(
    "source", ["1.0", "0x0", "0_0", "00", "-0", "+0", '"0"', "null", "[[-1], 0]", "[0, 0x0]", "true", "a"]
)
def test_a_source_that_is_no_plain_number_is_refused_with_its_line(source):
    with pytest.raises(ValueError, match=r"line 3: the source .* is no row; write a number such as 4 or -1"):
        parse(text_with(source))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a model YAML: it needs a list named backbone and a list named head"),
        ("backbone: [", "not a YAML file"),
        ("nc: 3\n", "not a model YAML: it needs a list named backbone and a list named head"),
        ("backbone:\nhead:\n", "not a model YAML: it needs a list"),
        ("backbone: []\nhead: []\n", "the head has no row"),
        ("a: !!int x\n", "not a YAML file"),
        ("a: !!timestamp x\n", "not a YAML file"),
        ("a: 2001-99-99\n", "not a YAML file"),
        ("!!python/object/apply:os.system [ls]\n", "not a YAML file"),
        ("[" * 5000, "not a YAML file"),
        ("backbone: []\nhead:\n  - [-1, 1, Conv]\n", r"line 3: a row is written `- \[from, .*; found \[-1, 1, Conv\]"),
        ("backbone: []\nhead:\n  -\n", "line 3: a row is written .*; found nothing"),
        ("backbone: []\nhead:\n  - [-1, two, Conv, [8]]\n", "line 3: .*; the number is 'two', write 1 or more"),
        ("backbone: []\nhead:\n  - [-1, 0, Conv, [8]]\n", "the number is 0, write 1 or more"),
        ("backbone: []\nhead:\n  - [-1, 1, Conv, 8]\n", "found 'Conv' as module and 8 as arguments"),
        ("backbone: []\nhead:\n  - [[], 1, Conv, [8]]\n", "line 3: Conv has no source"),
        ("backbone: []\nhead: []\nnc: 3\nnc: 4\n", "the key nc stands twice, in lines 3 and 4"),
        ("head: []\nbackbone:\n  - &a [-1, 1, Conv, [8]]\n  - *a\n", "the head has no row"),
        (
            "backbone:\n  - &a [-1, 1, Conv, [8]]\n  - *a\nhead:\n  - *a\n",
            "line 2: Conv stands here by an anchor, alias",
        ),
        ("a: &a {head: [[-1, 1, Conv, [8]]]}\n<<: *a\nbackbone: []\n", "head is merged into this file by `<<`"),
    ],
)
def test_a_text_that_is_no_model_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)
