"""Hits, misses, false alarms and confusions at IoU 0.5: cases by hand, a slow search on random sets, and invariants."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

from tests.reference.visdrone_evaluate import match, share
from tests.visdrone.evaluation.test_evaluate import CASES, frame, random_frames, row
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.errors import find_errors
from yolo_attn.visdrone.evaluation.evaluate import evaluate, evaluate_submission
from yolo_attn.visdrone.evaluation.pooled import pool, without_ignored
from yolo_attn.visdrone.evaluation.submission import Submission
from yolo_attn.visdrone.sizes import read_sizes

BACKGROUND = 10
CAR, VAN, BUS = 4, 5, 9


def errors_of(*frames, confidence=0.25):
    return find_errors(pool([without_ignored(f) for f in frames]), frames, confidence)


def counts(errors, category=CAR):
    return {key: value for key, value in errors.per_class[category - 1].items() if key != "name"}


def test_counts_of_a_class_by_hand():
    truth = [row(0, 0, 10, 10), row(20, 0, 10, 10), row(40, 0, 10, 10), row(60, 0, 20, 20, score=0)]
    found = [
        row(0, 0, 10, 10, 0.9),  # hit
        row(0, 1, 10, 9, 0.8),  # a second one there: false alarm
        row(61, 1, 10, 10, 0.7),  # in a score-0 box: ignored
        row(80, 60, 10, 10, 0.6),  # false alarm
        row(20, 0, 10, 10, 0.25),  # hit, just at the limit
        row(40, 0, 10, 10, 0.24),  # below it
    ]
    errors = errors_of(frame(truth, found))
    assert counts(errors) == {"ground_truth": 3, "detections": 5, "hits": 2, "misses": 1, "false_alarms": 2}
    assert counts(errors_of(frame(truth, found), confidence=0.2))["misses"] == 0
    assert counts(errors, BUS) == dict.fromkeys(("ground_truth", "detections", "hits", "misses", "false_alarms"), 0)


def test_a_detection_of_another_class_on_a_missed_box_is_a_confusion():
    truth = [row(0, 0, 10, 10, category=VAN), row(40, 40, 10, 10)]
    found = [row(0, 1, 10, 9, 0.9), row(0, 0, 10, 10, 0.8, BUS), row(40, 40, 10, 10, 0.7), row(70, 60, 9, 9, 0.6, BUS)]
    expected = np.zeros((11, 11), int)
    expected[VAN - 1, CAR - 1] = 1  # the higher score takes the box
    expected[BACKGROUND, BUS - 1] = 2  # so the other bus is on nothing
    expected[CAR - 1, CAR - 1] = 1
    assert errors_of(frame(truth, found)).confusion.tolist() == expected.tolist()


def test_a_box_that_is_found_is_never_confused():
    truth = [row(0, 0, 10, 10)]
    confusion = errors_of(frame(truth, [row(0, 0, 10, 10, 0.9, VAN), row(0, 0, 10, 10, 0.3)])).confusion
    assert (confusion[CAR - 1, CAR - 1], confusion[CAR - 1, VAN - 1], confusion[BACKGROUND, VAN - 1]) == (1, 0, 1)


def test_rows_of_other_categories_are_neither_errors_nor_boxes():
    others = [row(0, 0, 10, 10, category=11), row(20, 20, 10, 10, category=12)]
    errors = errors_of(frame(others, others))
    assert errors.confusion.sum() == errors.detections.sum() == 0


def test_pictures_hold_their_boxes_and_the_worst_comes_first():
    good, region = row(0, 0, 10, 10), row(60, 40, 20, 20, 0, 0)
    frames = frame([good], [good], "good"), frame([region, good], [row(62, 42, 5, 5), row(30, 30, 5, 5)], "bad")
    bad, fine = errors_of(*frames).pictures
    assert (bad.stem, bad.errors, fine.stem, fine.errors) == ("bad", 2, "good", 0)
    assert bad.misses[:, :4].tolist() == [good[:4]]
    assert bad.false_alarms[:, :4].tolist() == [[30, 30, 5, 5]]  # the ignored region removed the other
    assert bad.ignored_regions[:, :4].tolist() == [region[:4]]
    assert (len(bad.hits), fine.hits.tolist()) == (0, [good])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(random_frames())
def test_random_sets_agree_with_a_slow_search(frames):
    errors, confusion = errors_of(*frames, confidence=0.3), np.zeros((11, 11), int)
    for f in map(without_ignored, frames):
        truth = [g for g in f.annotations.tolist() if 1 <= g[5] <= 10 and g[4] != 0]
        rest, alarms = list(truth), []
        for c in range(1, 11):
            mine = [d for d in f.detections.tolist()[:500] if d[5] == c and d[4] >= 0.3]
            mine.sort(key=lambda d: -d[4])
            flags = match(mine, [g for g in f.annotations.tolist() if g[5] == c], 0.5)
            hits = [d for d, (_, flag) in zip(mine, flags, strict=True) if flag == "TP"]
            confusion[c - 1, c - 1] += len(hits)
            alarms += [d for d, (_, flag) in zip(mine, flags, strict=True) if flag == "FP"]
            for d in hits:  # the box it took: of the free ones the largest overlap, of equal ones the last
                taken = max((share(d, g, False), i) for i, g in enumerate(rest) if g[5] == c)[1]
                del rest[taken]
        file = f.detections.tolist()
        for d in sorted(alarms, key=lambda d: (-d[4], file.index(d))):
            covered = [(share(d, g, False), i) for i, g in enumerate(rest) if share(d, g, False) >= 0.5]
            of_box = int(rest.pop(max(covered)[1])[5]) - 1 if covered else BACKGROUND
            confusion[of_box, int(d[5]) - 1] += 1
        for g in rest:
            confusion[int(g[5]) - 1, BACKGROUND] += 1
    assert errors.confusion.tolist() == confusion.tolist()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_parts_of_an_evaluation_agree_with_each_other(case):
    sizes = read_sizes(case / "images_sizes.csv")
    result = evaluate(case / "annotations", case / "detections", sizes, details=True, confidence=0)
    hits, boxes = result.errors.confusion.diagonal(), result.errors.confusion.sum(1)
    for index, entry in enumerate(result.errors.per_class):
        assert entry["hits"] + entry["misses"] == boxes[index] == entry["ground_truth"]
        assert entry["hits"] + entry["false_alarms"] <= entry["detections"]
    by_picture = [(len(p.hits), len(p.misses), len(p.false_alarms)) for p in result.errors.pictures]
    confusion = result.errors.confusion
    assert [sum(column) for column in zip(*by_picture, strict=True)] == [
        hits.sum(),
        confusion[:10].sum() - hits.sum(),
        confusion[:, :10].sum() - hits.sum(),
    ]
    # Every official hit at IoU 0.5 and 500 detections; the official recall counts the score-0 boxes as well.
    official = sum(entry["recall50"] * entry["ground_truth"] for s in result.by_size for entry in s.per_class.values())
    assert official / 100 <= hits.sum() + 1e-6  # a range may lose a hit to the box of another range, never gain one


def test_precision_over_recall_by_hand():
    truth = [row(0, 0, 10, 10), row(20, 0, 10, 10), row(40, 0, 10, 10), row(60, 0, 10, 10)]
    found = [row(0, 0, 10, 10, 0.9), row(80, 60, 5, 5, 0.8), row(20, 0, 10, 10, 0.7)]
    curves = evaluate_submission(Submission((frame(truth, found),), ()), details=True).curves
    assert curves[CAR - 1] == pytest.approx([1.0] * 26 + [2 / 3] * 25 + [0.0] * 50)  # recall 1/4, then 2/4
    assert np.isnan(np.delete(curves, CAR - 1, 0)).all()


def test_json_holds_counts_confusion_pictures_and_curves():
    frames = (frame([row(0, 0, 10, 10)], [row(0, 0, 10, 10, 0.9), row(50, 50, 9, 9, 0.8, BUS)]),)
    content = json.loads(evaluate_submission(Submission(frames, ()), details=True, confidence=0.5).to_json())
    errors = content["errors"]
    assert (errors["official"], errors["iou"], errors["confidence"]) == (False, 0.5, 0.5)
    assert errors["per_class"][CAR - 1]["hits"] == errors["per_class"][BUS - 1]["false_alarms"] == 1
    assert errors["confusion"]["classes"] == [*NAMES, "background"]
    assert errors["confusion"]["truth_by_detection"][BACKGROUND][BUS - 1] == 1
    assert errors["pictures"] == [{"name": "a", "hits": 1, "misses": 0, "false_alarms": 1}]
    assert content["precision_recall"]["recall"][50] == 0.5
    assert content["precision_recall"]["precision"] == {"car": [1.0] * 101}


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_outside_0_to_1_is_refused(tmp_path, confidence):
    with pytest.raises(ValueError, match=r"confidence is .*; scores lie between 0 and 1"):
        evaluate(tmp_path, tmp_path, {}, details=True, confidence=confidence)
