"""AP and recall by object size: against pycocotools' area ranges, a slow reference on random sets, and cases by hand."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from tests.reference.visdrone_by_size import by_size as slow
from tests.reference.visdrone_evaluate import area, curve
from tests.visdrone.evaluation.test_evaluate import CASES, TOLERANCE, frame, random_frames, row
from yolo_attn.visdrone.evaluation.by_size import SIDES, score_by_size
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS
from yolo_attn.visdrone.evaluation.pooled import pool, without_ignored
from yolo_attn.visdrone.evaluation.submission import Submission, load
from yolo_attn.visdrone.sizes import read_sizes


def scores(frames, sides=SIDES):
    return score_by_size(pool([without_ignored(f) for f in frames]), sides)


def numbers(score):
    return [score.AP, score.AP50, score.AP75, score.AR500, score.recall50]


def crowded(seed, images=3, ignored=0.0):
    """Boxes in heaps with sides on both sides of 8 and 16; detections near them. No two overlaps are equal."""
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(images):
        corners = rng.choice([0, 25, 50], (30, 2)) + rng.uniform(0, 5, (30, 2))
        truth = np.column_stack([corners, rng.uniform(5, 20, (30, 2)), rng.random(30) >= ignored])
        truth = np.column_stack([truth, rng.integers(3, 6, 30), np.zeros((30, 2))])
        found = truth[rng.integers(0, 30, 200)]
        found[:, :4] += rng.normal(0, 1, (200, 4))
        found[:, 2:4] = np.abs(found[:, 2:4]) + 1
        found[:, 4] = rng.random(200)
        frames.append(frame(truth, found[np.argsort(-found[:, 4])], stem=str(index)))
    return frames


def submission_of(case):
    return load(case / "annotations", case / "detections", read_sizes(case / "images_sizes.csv"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_range_of_all_sizes_gives_the_official_numbers(case):
    submission = submission_of(case)
    result = evaluate_submission(submission)
    (everything,) = scores(submission.frames, (0, math.inf))
    official = [result.official[key] for key in ("AP", "AP50", "AP75", "AR500")]
    assert numbers(everything)[:4] == pytest.approx(official, rel=0, abs=TOLERANCE, nan_ok=True)
    for entry in result.per_class:
        if entry["images"]:
            found = everything.per_class[entry["name"]]
            assert [found["AP"], found["AP50"]] == pytest.approx([entry["AP"], entry["AP50"]], rel=0, abs=TOLERANCE)
    assert everything.name == "all"


@settings(max_examples=80, deadline=None, derandomize=True)
@given(random_frames())
def test_random_sets_agree_with_the_slow_reference(frames):
    kept = [without_ignored(f) for f in frames]
    images = [(f.annotations.tolist(), f.detections.tolist()) for f in kept]
    for score in scores(frames, (0, 2, 4.5, 10, math.inf)):
        expected = slow(images, score.low, score.high)
        assert numbers(score) == pytest.approx(expected, rel=0, abs=TOLERANCE, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_crowded_images_agree_with_the_slow_reference(seed):
    frames = crowded(seed, ignored=0.15)
    images = [(f.annotations.tolist(), f.detections.tolist()) for f in frames]
    for score in scores(frames, (0, 8, 12, 16, math.inf)):
        assert numbers(score) == pytest.approx(slow(images, score.low, score.high), rel=0, abs=TOLERANCE)


@pytest.mark.parametrize(
    "source", ["crowded", "crowded with score 0", *CASES], ids=lambda source: getattr(source, "name", source)
)
def test_hits_and_false_alarms_of_a_range_are_those_of_pycocotools(source):
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    from pycocotools.coco import COCO

    if isinstance(source, str):
        frames = crowded(7, ignored=0.2 if "score 0" in source else 0)
    else:
        frames = [without_ignored(f) for f in submission_of(source).frames]
    truth, results = COCO(), []
    truth.dataset = {"images": [], "annotations": [], "categories": [{"id": kind} for kind in range(1, 11)]}
    for number, f in enumerate(frames, 1):
        truth.dataset["images"].append({"id": number})
        for *box, score, kind in f.annotations[:, :6].tolist():
            entry = {"id": len(truth.dataset["annotations"]) + 1, "image_id": number, "category_id": int(kind)}
            entry |= {"bbox": box, "area": box[2] * box[3], "iscrowd": int(score == 0)}
            truth.dataset["annotations"].append(entry)
        for *box, score, kind in f.detections[:500, :6].tolist():
            results.append({"image_id": number, "category_id": int(kind), "bbox": box, "score": score})
    truth.createIndex()
    judge = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
    judge.params.iouThrs, judge.params.maxDets, judge.params.catIds = THRESHOLDS, [500], [*range(1, 11)]
    # COCO includes both borders of a range, so the upper one is put just below ours.
    ranges = [[low**2, np.nextafter(min(high**2, 1e10), 0)] for low, high in pairwise(SIDES)]
    judge.params.areaRng, judge.params.areaRngLbl = ranges, [str(low) for low in SIDES[:-1]]
    judge.evaluate()

    for score, limits in zip(scores(frames), ranges, strict=True):
        means = []
        for category in range(1, 11):
            images = [e for e in judge.evalImgs if e and e["category_id"] == category and e["aRng"] == limits]
            # COCO leaves score-0 boxes out of the recall; the official protocol counts them.
            rows = [f.annotations[f.annotations[:, 5] == category] for f in frames]
            inside = [int(((limits[0] <= r[:, 2] * r[:, 3]) & (r[:, 2] * r[:, 3] <= limits[1])).sum()) for r in rows]
            if not sum(inside):
                continue
            confidence = np.concatenate([e["dtScores"] for e in images])
            order = np.argsort(-confidence, kind="mergesort")
            matched = np.concatenate([e["dtMatches"] for e in images], 1)[:, order] > 0
            ignored = np.concatenate([e["dtIgnore"] for e in images], 1)[:, order].astype(bool)
            values = []
            for hit, neither in zip(matched, ignored, strict=True):
                flags = ["neither" if n else "TP" if h else "FP" for h, n in zip(hit, neither, strict=True)]
                precision, recall = curve(flags, sum(inside))
                values.append((100 * area(precision, recall), 100 * max(recall, default=0)))
            ap, recalled = np.transpose(values)
            means += [[ap.mean(), ap[0], ap[5], recalled.mean(), recalled[0]]] * np.count_nonzero(inside)
        expected = np.mean(means, 0) if means else [math.nan] * 5
        assert numbers(score) == pytest.approx(expected, rel=0, abs=TOLERANCE, nan_ok=True)


def ranges(truth, found):
    result = evaluate_submission(Submission((frame(truth, found),), ()), details=True)
    return {score.name: score for score in result.by_size}


def test_the_five_ranges_are_named_by_their_sides():
    assert [score.name for score in scores([frame([], [])])] == [
        "below 8²",
        "8² to 16²",
        "16² to 32²",
        "32² to 96²",
        "96² and above",
    ]


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (8, 8, "8² to 16²"),
        (7.99, 8, "below 8²"),
        (4, 16, "8² to 16²"),
        (32, 32, "32² to 96²"),
        (100, 96, "96² and above"),
    ],
)
def test_a_box_belongs_to_the_range_of_its_area_lower_border_included(width, height, name):
    box = row(0, 0, width, height)
    assert {score.name: score.ground_truth for score in scores([frame([box], [box])])}[name] == 1
    assert sum(score.ground_truth for score in scores([frame([box], [box])])) == 1


def test_a_range_without_boxes_is_nan_and_has_no_class():
    tiny = ranges([row(0, 0, 20, 20)], [row(0, 0, 5, 5)])["below 8²"]
    assert all(math.isnan(value) for value in numbers(tiny))
    assert (tiny.ground_truth, tiny.per_class) == (0, {})


def test_a_false_alarm_counts_in_the_range_of_its_own_size_only():
    found = ranges(
        [row(0, 0, 5, 5), row(40, 0, 20, 20)],
        [row(80, 60, 18, 18, 0.9), row(0, 0, 5, 5, 0.8), row(40, 0, 20, 20, 0.7)],
    )
    assert pytest.approx(100) == found["below 8²"].AP
    assert pytest.approx(50) == found["16² to 32²"].AP  # one false alarm before the one hit


def test_a_detection_of_another_size_may_find_a_box():
    # IoU 49 / 64 at areas on either side of 8²: a hit below 8², and nothing in the range of the detection.
    found = ranges([row(0, 0, 7, 7)], [row(0, 0, 8, 8, 0.9)])
    assert pytest.approx(100) == found["below 8²"].AP50
    assert found["below 8²"].recall50 == pytest.approx(100)


def test_a_detection_that_takes_a_box_of_another_size_is_no_false_alarm_but_the_second_is():
    large, small = row(0, 0, 8, 8), row(40, 40, 5, 5)
    taker, second = row(0, 0, 8, 7, 0.9), row(0, 0, 7, 8, 0.8)  # areas of 56, below 8², on the box of 64
    assert pytest.approx(100) == ranges([large, small], [taker, row(40, 40, 5, 5, 0.7)])["below 8²"].AP50
    assert pytest.approx(50) == ranges([large, small], [taker, second, row(40, 40, 5, 5, 0.7)])["below 8²"].AP50


def test_a_small_detection_inside_a_large_box_is_a_false_alarm():
    found = ranges([row(0, 0, 40, 40), row(60, 60, 5, 5)], [row(10, 10, 5, 5, 0.9), row(60, 60, 5, 5, 0.8)])
    assert pytest.approx(50) == found["below 8²"].AP50


def test_detections_inside_a_score_0_box_of_any_size_are_no_false_alarms():
    truth = [row(0, 0, 40, 40, score=0), row(60, 60, 5, 5)]
    found = ranges(truth, [row(10, 10, 5, 5, 0.9), row(12, 10, 5, 5, 0.9), row(60, 60, 5, 5, 0.8)])
    assert pytest.approx(100) == found["below 8²"].AP50


def test_what_ignored_regions_remove_counts_in_no_range():
    region, inside = row(1, 1, 30, 30, 0, 0), row(5, 5, 6, 6)
    found = ranges([region, inside, row(60, 60, 5, 5)], [row(5, 5, 6, 6, 0.9), row(60, 60, 5, 5, 0.8)])
    assert (found["below 8²"].ground_truth, found["below 8²"].AP) == (1, pytest.approx(100))


def test_a_class_weighs_the_images_that_have_it_in_the_range():
    small, bus = row(0, 0, 5, 5), row(20, 20, 6, 6, category=9)
    frames = [frame([small], [small], "a"), frame([small], [small], "b"), frame([small, bus], [small], "c")]
    below = scores(frames)[0]
    assert pytest.approx(75) == below.AP
    assert {name: (entry["ground_truth"], entry["AP"]) for name, entry in below.per_class.items()} == {
        "car": (3, pytest.approx(100)),
        "bus": (1, 0),
    }


def test_a_detection_of_infinite_area_is_a_false_alarm_of_the_last_range():
    found = ranges([row(0, 0, 100, 100)], [row(0, 0, 1e308, 1e308, 0.9), row(0, 0, 100, 100, 0.8)])
    assert pytest.approx(50) == found["96² and above"].AP


def test_json_marks_the_ranges_as_not_official_and_has_no_infinity():
    frames = (frame([row(0, 0, 5, 5)], [row(0, 0, 5, 5, 0.9)]),)
    content = json.loads(evaluate_submission(Submission(frames, ()), details=True).to_json())["by_size"]
    assert content["official"] is False
    assert [(entry["low"], entry["high"]) for entry in content["ranges"]] == [
        (0, 8),
        (8, 16),
        (16, 32),
        (32, 96),
        (96, None),
    ]
    first = content["ranges"][0]
    assert (first["range"], first["AP"], first["per_class"]["car"]["recall50"]) == ("below 8²", 100, 100)
    assert content["ranges"][1]["AP"] is None


def test_details_leave_the_official_numbers_as_they_are():
    submission = submission_of(CASES[0])
    plain, detailed = (evaluate_submission(submission, details=asked) for asked in (False, True))
    assert (plain.ap == detailed.ap).all() and (plain.ar == detailed.ar).all()
    assert (plain.by_size, plain.errors, plain.curves) == (None, None, None)
    assert len(detailed.by_size) == 5
