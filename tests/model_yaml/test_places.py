"""Rows by role."""

from pathlib import Path

import pytest
import ultralytics

from yolo_attn.model_yaml import places

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
THREE_ROWS = """\
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [32, 3, 2]]
head:
  - [[-1, 0], 1, Concat, [1]]
  - [[1, -1, 0], 1, Detect, [nc]]
"""


@pytest.mark.parametrize(
    ("role", "expected"),
    [("backbone-end", [8]), ("sppf", [9]), ("stages", [4, 6, 9]), ("neck", [17, 20, 23]), ("13", [13]), (13, [13])],
    ids=str,
)
def test_places_of_yolov5(role, expected):
    # Stages: rows 4 and 6 enter Concats of the neck, row 9 its first row.
    assert places.places((STOCK / "v5" / "yolov5.yaml").read_text(encoding="utf-8"), role) == expected


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("sppf", "this model has no sppf: its rows are 0 to 3, the last of which is the head"),
        ("3", "this model has no 3"),
        ("middle", "no place 'middle'; write backbone-end, sppf, stages, neck, or the index of a row"),
    ],
)
def test_a_place_that_is_not_there_is_named(role, message):
    with pytest.raises(ValueError, match=message):
        places.places(THREE_ROWS, role)


@pytest.mark.parametrize("name", ["11/yolo11-cls", "v8/yolov8-cls-resnet50", "11/yolo11-cls-resnet18"])
def test_a_classifier_has_no_neck(name):
    if not (STOCK / f"{name}.yaml").exists():
        pytest.skip("this Ultralytics does not have the file")
    with pytest.raises(ValueError, match="this model has no neck: its head reads the backbone"):
        places.places((STOCK / f"{name}.yaml").read_text(encoding="utf-8"), "neck")
