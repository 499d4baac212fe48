"""YOLO labels made from annotation rows, and why rows are left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_attn.visdrone.labels import Reason, yolo_labels
from yolo_attn.yolo_format.rows import rows_text

CAR = [10, 20, 30, 40, 1, 4, 0, 1]


def left_out(found) -> dict[str, list[int]]:
    """{reason: numbers of the rows left out for it}."""
    return {reason.text: rows for reason in Reason if (rows := np.flatnonzero(found.reasons == reason).tolist())}


def test_a_label_is_the_box_centre_and_size_as_fractions_of_the_image():
    labels = yolo_labels(np.array([[10, 20, 30, 40, 1, 4, 0, 0]]), width=100, height=200).labels
    np.testing.assert_allclose(labels, [[3, 0.25, 0.2, 0.3, 0.2]], rtol=1e-15)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([-10, 20, 30, 40], [0, 20, 20, 40]),
        ([90, 190, 30, 40], [90, 190, 10, 10]),
        ([-10, -10, 500, 500], [0, 0, 100, 200]),
    ],
    ids=["left", "bottom-right", "all-around"],
)
def test_a_box_is_clipped_to_the_image(box, clipped):
    labels = yolo_labels(np.array([[*box, 1, 1, 0, 0]]), width=100, height=200).labels
    left, top, width, height = clipped
    np.testing.assert_allclose(
        labels, [[0, (left + width / 2) / 100, (top + height / 2) / 200, width / 100, height / 200]], rtol=1e-15
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([0, 0, 9, 9, 0, 0, 0, 0], "ignored region"),
        ([0, 0, 9, 9, 1, 0, 0, 0], "ignored region"),
        ([0, 0, 9, 9, 1, 11, 0, 0], "others"),
        ([0, 0, 9, 9, 0, 11, 0, 0], "others"),
        ([0, 0, 9, 9, 0, 4, 0, 0], "score 0"),
        ([5, 5, 0, 9, 1, 4, 0, 0], "zero size"),
        ([5, 5, 9, -1, 1, 4, 0, 0], "zero size"),
        ([100, 5, 9, 9, 1, 4, 0, 0], "outside the image"),
        ([-9, 5, 9, 9, 1, 4, 0, 0], "outside the image"),
        ([5, 300, 9, 9, 1, 4, 0, 0], "outside the image"),
        (CAR, "duplicate"),
        ([10, 20, 30, 40, 1, 4, 1, 2], "duplicate"),
    ],
)
def test_a_row_that_is_no_label_is_reported_with_its_number_and_reason(row, reason):
    found = yolo_labels(np.array([CAR, row]), width=100, height=200)
    assert left_out(found) == {reason: [1]}
    assert found.rows.tolist() == [0]
    np.testing.assert_allclose(found.labels, [[3, 0.25, 0.2, 0.3, 0.2]], rtol=1e-15)


def test_the_same_box_with_another_class_is_no_duplicate_and_labels_keep_the_order_of_rows():
    rows = np.array([[50, 0, 9, 9, 1, 9, 0, 0], CAR, [10, 20, 30, 40, 1, 5, 0, 0], CAR, [0, 0, 9, 9, 1, 1, 0, 0]])
    found = yolo_labels(rows, width=100, height=200)
    assert found.labels[:, 0].tolist() == [8, 3, 4, 0]
    assert left_out(found) == {"duplicate": [3]}
    assert found.rows.tolist() == [0, 1, 2, 4]


def test_no_rows_make_no_labels():
    assert yolo_labels(np.empty((0, 8)), 100, 100).labels.shape == (0, 5)


@given(st.lists(st.tuples(*[st.integers(-20, 120)] * 4, st.integers(0, 1), st.integers(0, 11)), max_size=8))
@settings(deadline=None)
def test_every_row_is_a_label_or_left_out_once_and_labels_lie_in_the_image(rows):
    rows = np.array([[*row, 0, 0] for row in rows], dtype=float).reshape(-1, 8)
    found = yolo_labels(rows, width=100, height=80)
    numbers = [number for rows_of_reason in left_out(found).values() for number in rows_of_reason]
    assert sorted([*numbers, *found.rows.tolist()]) == list(range(len(rows)))
    assert len(found.labels) == len(found.rows)
    centre, half = found.labels[:, 1:3], found.labels[:, 3:] / 2
    assert (half > 0).all()
    assert (centre - half > -1e-12).all()
    assert (centre + half < 1 + 1e-12).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [(5, 12, "category is 12"), (5, -1, "category is -1"), (5, 1.5, "category is 1.5"), (4, 0.8, "score is 0.8")],
)
def test_rows_that_are_no_annotation_are_refused(column, value, message):
    rows = np.array([CAR, CAR], dtype=float)
    rows[1, column] = value
    with pytest.raises(ValueError, match=rf"row 1 .*{message}"):
        yolo_labels(rows, 100, 100)


def test_rows_of_several_images_give_what_each_image_gives_by_itself():
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.integers(-5, 60, (300, 4)), rng.integers(0, 2, 300), rng.integers(0, 12, 300)])
    rows = np.column_stack([rows, np.zeros((300, 2))]).astype(float)
    rows[150:] = rows[:150]  # the same boxes in other images are no duplicates
    image, width, height = np.repeat(np.arange(6), 50), np.repeat([40, 50, 60] * 2, 50), np.repeat([30, 20, 10] * 2, 50)
    together = yolo_labels(rows, width, height, image)
    by_itself = [yolo_labels(rows[image == i], width[i * 50], height[i * 50]) for i in range(6)]
    np.testing.assert_array_equal(together.labels, np.concatenate([found.labels for found in by_itself]))
    np.testing.assert_array_equal(together.reasons, np.concatenate([found.reasons for found in by_itself]))


def test_a_label_file_has_a_line_per_label_with_six_decimals():
    assert rows_text(np.array([[9, 0.5, 1 / 3, 0.25, 1], [0, 0, 0, 0, 0]])) == (
        "9 0.500000 0.333333 0.250000 1.000000\n0 0.000000 0.000000 0.000000 0.000000\n"
    )
    assert rows_text(np.empty((0, 5))) == ""
