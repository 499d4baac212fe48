"""The default scale of a model YAML, in every way in which a table of scales can be written."""

from pathlib import Path

import pytest
import ultralytics
import yaml

from yolo_attn.model_yaml.scale import scale_of, with_default_scale, without_default_scale

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
ROWS = "backbone:\n  - [-1, 1, Conv, [8]]\nhead:\n  - [-1, 1, Detect, [nc]]\n"
TABLES = {
    "block": "nc: 3\nscales: # depth, width\n  # n is small\n  n: [1, 1, 8] # small\n  s: [2, 2, 8]\n",
    "first line": "scales:\n  n: [1, 1, 8]\n  s: [2, 2, 8]\n",
    "flow": "scales: {n: [1, 1, 8], s: [2, 2, 8]} # both\n",
    "flow over lines": "scales: {\n  n: [1, 1, 8],\n  s: [2, 2, 8]}\n",
    "quoted": "scales:\n  'n': [1, 1, 8]\n  \"s\": [2, 2, 8]\n",
    "CRLF": "scales:\r\n  n: [1, 1, 8]\r\n  s: [2, 2, 8]\r\n",
    "safe_dump": "scales:\n  n:\n  - 1\n  - 1\n  - 8\n  s:\n  - 2\n  - 2\n  - 8\n",
    "merged": "base: &base {n: [1, 1, 8]}\nscales:\n  <<: *base\n  s: [2, 2, 8]\n",
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_scale_becomes_the_first_and_its_values_stay(table):
    changed = yaml.safe_load(with_default_scale(table + ROWS, "s"))
    assert list(changed["scales"]) == ["s", "n"]
    assert changed["scales"] == {"s": [2, 2, 8], "n": [1, 1, 8]}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_taking_the_default_back_gives_the_text_to_the_letter(table):
    assert without_default_scale(with_default_scale(table + ROWS, "s")) == table + ROWS
    assert without_default_scale(table + ROWS) == table + ROWS


def test_a_later_default_replaces_an_earlier_one():
    text = TABLES["block"] + "  m: [3, 3, 8]\n" + ROWS
    changed = with_default_scale(with_default_scale(text, "s"), "m")
    assert list(yaml.safe_load(changed)["scales"]) == ["m", "n", "s"]
    assert without_default_scale(changed) == text


@pytest.mark.parametrize("text", [ROWS, "depth_multiple: 0.3\nwidth_multiple: 0.5\n" + ROWS, TABLES["block"] + ROWS])
def test_nothing_changes_where_there_is_no_table_or_the_scale_is_first_already(text):
    assert with_default_scale(text, "n") == text


def test_a_scale_that_the_table_lacks_is_refused():
    with pytest.raises(ValueError, match="there is no scale 'x' in this model's scales: n, s"):
        with_default_scale(TABLES["flow"] + ROWS, "x")


@pytest.mark.parametrize("path", sorted(STOCK.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_last_scale_of_every_stock_file_can_be_the_default_and_back(path):
    text = path.read_text(encoding="utf-8")
    scales = yaml.safe_load(text).get("scales")
    if not scales:
        return
    *_, last = scales
    changed = with_default_scale(text, last)
    assert next(iter(yaml.safe_load(changed)["scales"])) == last
    assert yaml.safe_load(changed)["scales"] == scales
    assert without_default_scale(changed) == text


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        *{"yolov5s.yaml": "s", "yolo11n-cls-resnet18.yaml": "n", "yoloe-11l.yaml": "l", "my-yolov8x.yaml": "x"}.items(),
        *{"yolov5.yaml": None, "my.yaml": None, "rtdetr-l.yaml": None, "yolov9c.yaml": None}.items(),
    ],
)
def test_the_scale_is_read_from_a_name_as_ultralytics_reads_it(name, scale):
    from ultralytics.nn.tasks import guess_model_scale

    assert scale_of(name) == scale
    assert (guess_model_scale(name) or None) == scale
