"""COCO's column: against pycocotools on files read and converted here, and cases done by hand."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.visdrone.evaluation.test_evaluate import CASES, GOOD, SIZES, TOLERANCE, row
from yolo_attn.visdrone import annotations as files
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes


def test_the_coco_column_says_what_to_install(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(ImportError, match=r"pip install 'yolo-attn\[coco\]'"):
        evaluate(*folders({"a": [GOOD]}, {"a": [GOOD]}), SIZES, coco=True)


@pytest.fixture
def coco_column(folders):
    pytest.importorskip("faster_coco_eval")
    return lambda truth, found: evaluate(*folders({"a": truth}, {"a": found}), SIZES, coco=True).coco


def test_the_coco_column_takes_ignored_regions_and_score_0_boxes_for_crowd(coco_column):
    region, ignored = row(60, 40, 30, 30, 0, 0), row(10, 50, 20, 20, 0)
    in_region, on_ignored = row(65, 45, 5, 5, 0.9), row(12, 52, 10, 10, 0.8)
    assert pytest.approx(100) == coco_column([region, ignored, GOOD], [in_region, on_ignored, GOOD]).AP


def test_the_coco_column_is_0_without_detections_and_nan_without_ground_truth(folders, coco_column, tmp_path):
    assert coco_column([GOOD], []).AP == 0
    files.write(tmp_path / "annotations" / "a.txt", np.empty((0, 8)))
    files.write(tmp_path / "detections" / "a.txt", np.array([GOOD]))
    assert math.isnan(evaluate(tmp_path / "annotations", tmp_path / "detections", SIZES, coco=True).coco.AP)


def test_the_coco_column_has_its_own_part_in_the_json(folders):
    pytest.importorskip("faster_coco_eval")
    paths = folders({"a": [GOOD]}, {"a": [GOOD]})
    content = json.loads(evaluate(*paths, SIZES, coco=True).to_json())
    assert content["coco"] == pytest.approx({"AP": 100, "AP50": 100, "AP75": 100})


@pytest.mark.parametrize("category", range(1, 11))
def test_every_category_counts_on_both_sides(folders, category):
    pytest.importorskip("faster_coco_eval")
    there = [row(10, 10, 20, 20, 0.9, category), row(50, 40, 20, 20, 0.8, category % 10 + 1)]
    truth = [[*box[:4], 1, *box[5:]] for box in there]
    paths = folders({"a": truth}, {"a": there[1:]})  # the category is missed: one class of two is found
    assert pytest.approx(50) == evaluate(*paths, SIZES, coco=True).coco.AP
    files.write(paths[1] / "a.txt", np.array(there))
    assert pytest.approx(100) == evaluate(*paths, SIZES, coco=True).coco.AP
    files.write(paths[0] / "a.txt", np.array(truth[1:]))  # found where it is not: only the other class is evaluated
    assert pytest.approx(100) == evaluate(*paths, SIZES, coco=True).coco.AP


@pytest.mark.parametrize(("wrong", "expected"), [(99, 100 / 100), (300, 100 / 301), (499, 100 / 500), (500, 0)])
def test_the_coco_column_looks_at_500_detections_of_a_class(coco_column, wrong, expected):
    column = coco_column([GOOD], [*[row(70, 60, 5, 5, 0.9)] * wrong, GOOD])
    assert pytest.approx(expected) == column.AP


def rows_of(path: Path) -> list[list[float]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    return [[float(value) for value in line.split(",") if value.strip()] for line in lines if line.strip()]


def converted(case: Path) -> tuple[dict, list[dict]]:
    """The files of a case -> COCO's ground truth and results, without the package."""
    images, boxes, results = [], [], []
    for number, path in enumerate(sorted((case / "annotations").iterdir())):
        images.append({"id": number + 1000})
        for x, y, w, h, score, category, *_ in rows_of(path):
            kinds = range(1, 11) if category == 0 else [int(category)] if 1 <= category <= 10 else []
            crowd = int(category == 0 or score == 0)
            for kind in kinds:
                box = {"bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd, "category_id": kind}
                boxes.append(box | {"id": len(boxes) + 1, "image_id": number + 1000})
        for x, y, w, h, score, category, *_ in rows_of(case / "detections" / path.name):
            if 1 <= category <= 10:
                found = {"bbox": [x, y, w, h], "score": score, "category_id": int(category)}
                results.append(found | {"image_id": number + 1000})
    return {"images": images, "annotations": boxes, "categories": [{"id": kind} for kind in range(1, 11)]}, results


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_coco_column_agrees_with_pycocotools(case):
    pytest.importorskip("faster_coco_eval")
    pycocotools = pytest.importorskip("pycocotools.cocoeval")
    from pycocotools.coco import COCO

    truth = COCO()
    truth.dataset, results = converted(case)
    truth.createIndex()
    judge = pycocotools.COCOeval(truth, truth.loadRes(results), "bbox")
    judge.params.maxDets, judge.params.areaRng, judge.params.areaRngLbl = [500], [[0, 1e10]], ["all"]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 0]
    sizes = read_sizes(case / "images_sizes.csv")
    column = evaluate(case / "annotations", case / "detections", sizes, coco=True).coco
    expected = [100 * values[values > -1].mean() for values in (precision, precision[0], precision[5])]
    assert pytest.approx(expected, rel=0, abs=TOLERANCE) == [column.AP, column.AP50, column.AP75]
