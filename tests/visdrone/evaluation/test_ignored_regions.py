"""Boxes that the ignored regions remove, counted by hand in 1-based pixels of a 20 x 20 image."""

import numpy as np
import pytest

from yolo_attn.visdrone.evaluation.ignored_regions import outside_regions

REGION = [1, 1, 4, 9]  # paints columns 1..5 and rows 1..10


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ([3, 1, 4, 2], False),  # columns 4..7, of which 4 and 5: exactly one half
        ([3, 1, 5, 2], True),  # columns 4..8: 2 of 5
        ([4.5, 1, 2, 2], True),  # 4.5 becomes 5, away from zero: columns 6..7; with 4 it would be 5..6, one half
        ([4.49, 1, 2, 2], False),  # becomes 4
        ([3, 1, 4.5, 2], True),  # the width becomes 5: columns 4..8, 2 of 5; with 4 it would be one half
        ([1, 8.5, 2, 3], True),  # the top becomes 9: rows 10..12, 1 of 3; with 8 it would be 2 of 3
        ([3.5, 1, 3.5, 2], True),  # 4, 4: columns 5..8, 1 of 4
        ([-9, -9, 4, 4], False),  # moved to (1, 1): columns 2..5, all
        ([90, 70, 4, 4], True),  # beyond the image: moved to its last pixel, none inside
        ([2, 2, 200, 2], True),  # the width counts whole, also outside the image: 3 of 200
        ([0, 0, 0, 0], False),  # a zero-size box is one pixel
    ],
)
def test_a_box_stays_if_less_than_half_of_it_is_ignored(box, kept):
    assert outside_regions(np.array([box], float), np.array([REGION], float), 20, 20).tolist() == [kept]


@pytest.mark.parametrize(
    ("region", "kept"),
    [([1, 1, 1, 1], True), ([2, 2, 0, 0], False), ([30, 2, 5, 5], True), ([1.5, 1.5, 0, 0], False)],
    ids=["touches one pixel", "zero size paints 2 x 2", "outside the image", "fraction rounds up"],
)
def test_regions_of_odd_shape_paint_what_the_toolkit_paints(region, kept):
    box = np.array([[1, 1, 2, 2]], float)  # pixels 2..3 in both directions
    regions = np.array([region], float)
    assert outside_regions(box, regions, 20, 20).tolist() == [kept]


def test_overlapping_regions_count_their_pixels_once():
    box = np.array([[1, 1, 10, 1]], float)  # columns 2..11; the regions paint 2..5 and 3..5 of them, 4 in all
    assert outside_regions(box, np.array([[2, 1, 3, 5], [3, 1, 2, 5]], float), 20, 20).tolist() == [True]
