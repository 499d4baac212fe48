"""The VisDrone evaluation: the toolkit's own numbers, a slow reference on random sets, and cases done by hand."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import visdrone_evaluate as slow
from yolo_attn.visdrone.annotations import read
from yolo_attn.visdrone.evaluation.evaluate import evaluate, evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Frame, Submission
from yolo_attn.visdrone.sizes import read_sizes

CASES = sorted((Path(__file__).parent / "cases").glob("case*"), key=lambda case: int(case.name[4:]))
TOLERANCE = 1e-9
SIZES = {"a": (100, 80), "b": (100, 80)}
CAR = 4


def row(left, top, width, height, score=1.0, category=CAR):
    return [left, top, width, height, score, category, 0, 0]


def frame(annotations, detections, stem="a", size=(100, 80)):
    return Frame(stem, *size, np.reshape(annotations, (-1, 8)), np.reshape(detections, (-1, 8)))


def result_of(*frames):
    return evaluate_submission(Submission(frames, ()))


def as_reference(frames):
    return slow.evaluate([(f.width, f.height, f.annotations.tolist(), f.detections.tolist()) for f in frames])


def null_to_nan(numbers):
    return {name: math.nan if value is None else value for name, value in numbers.items()}


def assert_same(fast, reference):
    np.testing.assert_allclose(fast.ap, reference["ap"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(fast.ar, reference["ar"], rtol=0, atol=TOLERANCE)
    assert fast.images_per_class.tolist() == reference["images_per_class"]
    assert fast.official == pytest.approx(reference["official"], rel=0, abs=TOLERANCE, nan_ok=True)
    assert fast.plain_class_mean == pytest.approx(reference["plain_class_mean"], rel=0, abs=TOLERANCE, nan_ok=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_official_cases_agree_with_the_toolkit(case):
    expected = json.loads((case / "expected.json").read_text())
    result = evaluate(case / "annotations", case / "detections", read_sizes(case / "images_sizes.csv"))
    reference = {
        "ap": np.array(expected["AP_per_class_per_iou"], float),
        "ar": np.array(expected["AR_per_class_per_iou_per_maxdets"], float),
        "images_per_class": expected["images_per_class"],
        "official": null_to_nan({name: expected[name] for name in slow.NAMES}),
        "plain_class_mean": null_to_nan(expected["unweighted_class_mean"]),
    }
    assert_same(result, reference)
    assert result.kept == {stem: (count["gt"], count["det"]) for stem, count in expected["kept"].items()}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in ("case5", "case9")], ids=lambda case: case.name
)
def test_the_slow_reference_agrees_with_the_toolkit(case):
    sizes = read_sizes(case / "images_sizes.csv")
    rows = [[read(case / kind / f"{stem}.txt") for kind in ("annotations", "detections")] for stem in sorted(sizes)]
    reference = as_reference([Frame(stem, *sizes[stem], *pair) for stem, pair in zip(sorted(sizes), rows, strict=True)])
    expected = json.loads((case / "expected.json").read_text())
    assert reference["official"] == pytest.approx({name: expected[name] for name in slow.NAMES}, rel=0, abs=TOLERANCE)
    assert reference["kept"] == [(count["gt"], count["det"]) for _, count in sorted(expected["kept"].items())]


# Few distinct values: equal scores, equal boxes, IoUs exactly at a threshold and shares of exactly one half are common.
CATEGORY = st.sampled_from([1, 1, 1, 1, 1, 2, 2, 10, 0, 11, 12])
CORNER = st.sampled_from([-7.0, -0.5, 0.0, 0.5, 1.0, 1.49, 2.0, 2.5, 4.0, 6.0, 11.0, 13.0, 20.0])
EXTENT = st.sampled_from([0.0, 0.4, 1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0, 17.0, 20.0, 40.0])
BOX = (CORNER, CORNER, EXTENT, EXTENT)
TRUTH = st.tuples(*BOX, st.sampled_from([1.0, 1.0, 1.0, 0.0]), CATEGORY, st.just(0.0), st.just(0.0))
FOUND = st.tuples(*BOX, st.sampled_from([0.0, 0.3, 0.6, 0.9]), CATEGORY, st.just(-1.0), st.just(-1.0))


@st.composite
def random_frames(draw):
    frames = []
    for index in range(draw(st.integers(1, 3))):
        truth = draw(st.lists(TRUTH, max_size=12))
        found = draw(st.lists(FOUND, max_size=14))
        if truth:  # boxes that fit, with a score and in a class of their own
            copies = draw(st.lists(st.tuples(st.sampled_from(truth), FOUND), max_size=10))
            found += [(*box[:4], other[4], box[5] or other[5], -1.0, -1.0) for box, other in copies]
        size = draw(st.sampled_from([(1, 1), (12, 9), (25, 14)]))
        frames.append(frame(truth, draw(st.permutations(found)), stem=str(index), size=size))
    return frames


@settings(max_examples=250, deadline=None, derandomize=True)
@given(random_frames())
def test_random_sets_agree_with_the_slow_reference(frames):
    fast, reference = result_of(*frames), as_reference(frames)
    assert_same(fast, reference)
    assert list(fast.kept.values()) == reference["kept"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_crowded_images_agree_with_the_slow_reference(seed, order):
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(2):
        # Boxes in heaps on whole pixels: detections compete for the same boxes, and many overlaps are equal.
        corners = rng.choice([0, 30, 60], (25, 2)) + rng.integers(0, 5, (25, 2))
        truth = np.column_stack([corners, rng.integers(12, 16, (25, 2)), rng.random(25) > 0.2])
        truth = np.column_stack([truth, rng.integers(3, 6, 25), np.zeros((25, 2))]).astype(float)
        found = truth[rng.integers(0, 25, 560)]
        found[:, :4] += rng.integers(-2, 3, (560, 4))
        found[:, 4] = rng.integers(0, 50, 560) / 50
        if order == "sorted":
            found = found[np.argsort(-found[:, 4], kind="stable")]
        frames.append(frame(truth, found, stem=str(index)))
    assert_same(result_of(*frames), as_reference(frames))


def test_a_perfect_file_scores_100():
    truth = [row(10, 10, 20, 20), row(50, 40, 20, 20)]
    assert result_of(frame(truth, truth)).official == pytest.approx(
        {"AP": 100, "AP50": 100, "AP75": 100, "AR1": 50, "AR10": 100, "AR100": 100, "AR500": 100}
    )


def test_nothing_to_find_gives_nan_everywhere():
    result = result_of(frame([], [row(1, 1, 5, 5, 0.5)]))
    assert all(math.isnan(value) for value in [*result.official.values(), *result.plain_class_mean.values()])


def test_no_detection_gives_zero():
    assert set(result_of(frame([row(1, 1, 5, 5)], [])).official.values()) == {0.0}


def test_ground_truth_without_area_is_never_found():
    flat = [row(10, 10, 0, 20)]
    assert result_of(frame(flat, flat)).official["AR500"] == 0


def test_an_iou_of_17_20_fails_the_threshold_of_octave():
    result = result_of(frame([row(0, 0, 20, 1)], [row(0, 0, 17, 1, 0.9)]))
    assert result.ap[CAR - 1].tolist() == [100] * 7 + [0] * 3


def test_the_official_mean_counts_a_class_once_per_image():
    car, bus = row(10, 10, 20, 20), row(50, 40, 20, 20, category=9)
    result = result_of(frame([car], [car]), frame([car], [car], "b"), frame([car, bus], [car], "c"))
    assert result.official["AP"] == pytest.approx(75)  # three images with cars, all found; one with a bus, missed
    assert result.plain_class_mean["AP"] == pytest.approx(50)


def test_a_score_0_box_is_never_an_error_yet_counts_in_the_recall():
    truth = [row(10, 10, 20, 20), row(50, 40, 20, 20, score=0)]
    found = [row(50, 40, 20, 20, 0.9), row(52, 42, 10, 10, 0.8), row(10, 10, 20, 20, 0.7)]
    result = result_of(frame(truth, found))
    assert result.ap[CAR - 1].tolist() == [50] * 10  # precision 1, recall 1 of 2


def test_of_two_equal_overlaps_the_last_box_is_taken():
    # Both boxes overlap the first detection by 9/11; the second one overlaps the left box wholly, the right by 2/3.
    truth = [row(0, 0, 10, 10), row(2, 0, 10, 10)]
    found = [row(1, 0, 10, 10, 0.9), row(0, 0, 10, 10, 0.8)]
    assert result_of(frame(truth, found)).official["AP75"] == pytest.approx(100)


def test_a_detection_that_loses_its_box_takes_the_next_best():
    # By turns: the first takes box 2, the second wants it too and takes box 4, which the third then lacks: it takes 7.
    truth = [row(left, 0, 10, 10) for left in (2, 4, 7)]
    found = [row(2, 0, 10, 10, 0.9), row(2.5, 0, 10, 10, 0.8), row(5, 0, 10, 10, 0.7)]
    assert result_of(frame(truth, found)).official["AP50"] == pytest.approx(100)


def test_a_detection_inside_a_score_0_box_by_just_the_threshold_is_no_error():
    truth = [row(50, 40, 20, 20), row(0, 0, 10, 10, score=0)]
    found = [row(5, 0, 10, 10, 0.9), row(50, 40, 20, 20, 0.8)]  # half of the first lies in the score-0 box
    assert result_of(frame(truth, found)).ap[CAR - 1].tolist() == [50] + [25] * 9


def test_counts_tell_what_was_dropped(folders):
    region = row(1, 1, 40, 40, 0, 0)
    inside, outside = row(5, 5, 10, 10), row(60, 50, 10, 10)
    result = evaluate(*folders({"a": [region, inside, outside]}, {"a": [outside, inside, inside]}), SIZES)
    assert result.counts == {
        "images": 1,
        "ignored_regions": 1,
        "ground_truth": 2,
        "ground_truth_dropped": 1,
        "detections": 3,
        "detections_dropped": 2,
        "detections_cut": 0,
    }


GOOD = row(10, 10, 20, 20, 0.5)


@pytest.mark.parametrize(
    ("annotations", "detections", "warning"),
    [
        (
            {"a": [GOOD], "b": []},
            {"a": [GOOD]},
            "images without a detection file, counted as without detections: 1 (b)",
        ),
        ({"a": [GOOD]}, {"a": [GOOD], "z": []}, "detection files without an annotation file, not used: 1 (z)"),
        ({"a": [GOOD]}, {"a": [GOOD, row(1, 1, 5, 5, 0.6)]}, "detection files not sorted by falling score: 1 (a)"),
        ({"a": [GOOD]}, {"a": [GOOD] * 501}, "detection files with more than 500 rows: 1 (a)"),
        ({"a": [GOOD]}, {"a": [row(1, 1, 5, 5, 0.5, 11)]}, "detections with a category other than 1..10: 1"),
        ({"a": [row(1, 1, 5, 5, 1, 12)]}, {"a": []}, "annotations with a category other than 0..11: 1"),
        ({"a": [row(1, 1, 5.5, 5, 0, 0)]}, {"a": []}, "ignored regions not in whole pixels, rounded: 1"),
    ],
    ids=["missing", "stray", "unsorted", "long", "unknown detection", "unknown annotation", "fractional region"],
)
def test_unusual_input_is_reported_in_one_warning(folders, annotations, detections, warning):
    (found,) = evaluate(*folders(annotations, detections), SIZES).warnings
    assert found.startswith(warning)


@pytest.mark.parametrize("rows", [[GOOD, GOOD], [GOOD] * 500], ids=["two of one score", "500"])
def test_clean_input_gives_no_warning(folders, rows):
    assert evaluate(*folders({"a": [GOOD]}, {"a": rows}), SIZES).warnings == ()


def test_images_go_in_file_name_order_where_scores_tie(folders):
    # "a-1.txt" sorts before "a.txt" though "a" sorts before "a-1": the false positive of "a-1" must come first.
    wrong, right = row(60, 50, 5, 5, 0.5), row(10, 10, 20, 20, 0.5)
    sizes = {"a": (100, 80), "a-1": (100, 80)}
    result = evaluate(*folders({"a": [GOOD], "a-1": []}, {"a": [right], "a-1": [wrong]}), sizes)
    assert result.ap[CAR - 1, 0] == pytest.approx(50)


@pytest.mark.parametrize(
    ("annotations", "detections", "sizes", "error", "message"),
    [
        ({}, {"a": [GOOD]}, SIZES, FileNotFoundError, r"annotations: no \*.txt file in"),
        (
            {"a": [GOOD]},
            {"x": [GOOD]},
            SIZES,
            FileNotFoundError,
            "none of the 1 files in .* is named like an annotation: x",
        ),
        ({"a": [GOOD], "b": []}, {}, {"a": (9, 9)}, ValueError, "1 of 2 annotated images have none: b; .* CSV rows"),
    ],
    ids=["no annotations", "no file fits", "no size"],
)
def test_input_that_cannot_be_evaluated_is_refused(folders, annotations, detections, sizes, error, message):
    with pytest.raises(error, match=message):
        evaluate(*folders(annotations, detections), sizes)


@pytest.mark.parametrize("missing", ["annotations", "detections"])
def test_a_missing_folder_is_named(folders, missing):
    paths = dict(zip(("annotations", "detections"), folders({"a": [GOOD]}, {"a": [GOOD]}), strict=True))
    paths[missing] = paths[missing].with_name("nowhere")
    with pytest.raises(FileNotFoundError, match=rf"{missing}: expected a folder .*nowhere, found nothing there"):
        evaluate(**paths, sizes=SIZES)


def test_a_malformed_row_is_named_with_file_and_line(folders):
    annotations, detections = folders({"a": [GOOD]}, {"a": [GOOD]})
    (detections / "a.txt").write_text("1,2,3,4,0.5,1,-1,-1\n1,2,three,4,0.5,1,-1,-1\n")
    with pytest.raises(ValueError, match=r"a\.txt.*2.*three"):
        evaluate(annotations, detections, SIZES)


def test_json_has_the_seven_numbers_and_its_named_parts():
    content = json.loads(result_of(frame([GOOD], [GOOD])).to_json())
    assert list(content) == [*slow.NAMES, "plain_class_mean", "per_class", "counts", "warnings"]
    assert content["per_class"][CAR - 1] == {
        "category": CAR,
        "name": "car",
        "images": 1,
        "AP": 100.0,
        "AP50": 100.0,
        "AP75": 100.0,
    }


def test_json_writes_nan_as_null():
    content = json.loads(result_of(frame([], [])).to_json())
    assert [content["AP"], content["plain_class_mean"]["AR500"], content["per_class"][0]["AP50"]] == [None] * 3


def test_evaluation_works_where_torch_cannot_be_imported():
    case = CASES[0]
    code = f"""
import sys
sys.modules["torch"] = sys.modules["ultralytics"] = None
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes
case = {str(case)!r}
print(evaluate(case + "/annotations", case + "/detections", read_sizes(case + "/images_sizes.csv")).to_json())
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["AP"] == pytest.approx(
        json.loads((case / "expected.json").read_text())["AP"], abs=1e-9
    )
