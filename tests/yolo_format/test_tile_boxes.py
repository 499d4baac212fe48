"""The boxes of a picture become labels or ignored regions of its tiles."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_attn.tiling import TileGrid
from yolo_attn.yolo_format.rows import corners, fractions
from yolo_attn.yolo_format.tile_boxes import tiles_of

WIDTH, HEIGHT = 200, 100
LEFT, RIGHT = np.array([0, 0, 100, 100]), np.array([100, 0, 200, 100])  # two tiles
NONE = np.empty((0, 4))


def labels(*boxes: tuple[float, ...]) -> np.ndarray:
    """Boxes (class, left, top, right, bottom) in pixels as the rows of a label file."""
    rows = np.array(boxes, float)
    return np.column_stack([rows[:, 0], fractions(rows[:, 1:], WIDTH, HEIGHT)]).round(6)


def tiles(labels: np.ndarray, regions: np.ndarray = NONE, min_visible: float = 0.3) -> list:
    return tiles_of(labels, regions, np.stack([LEFT, RIGHT]), WIDTH, HEIGHT, min_visible)


def test_a_box_is_clipped_to_the_tiles_and_a_label_where_enough_of_it_is_seen():
    left, right = tiles(labels((7, 93, 10, 103, 30), (2, 96, 50, 106, 60), (1, 10, 10, 20, 20)))
    # 7 of 10 columns lie left, 3 of 10 right: both are labels. 4 and 6 of 10: both. The third box lies left.
    np.testing.assert_allclose(
        left.labels, [[7, 0.965, 0.2, 0.07, 0.2], [2, 0.98, 0.55, 0.04, 0.1], [1, 0.15, 0.15, 0.1, 0.1]], atol=2e-6
    )
    np.testing.assert_allclose(right.labels, [[7, 0.015, 0.2, 0.03, 0.2], [2, 0.03, 0.55, 0.06, 0.1]], atol=2e-6)
    assert (left.cut, right.cut, left.remainders, right.remainders) == (2, 2, 0, 0)
    assert left.sources.tolist() == [0, 1, 2]


def test_a_part_below_the_share_is_an_ignored_region():
    left, right = tiles(labels((7, 92, 10, 102, 30)))  # 8 of 10 columns left, 2 of 10 right
    assert len(left.labels) == 1
    assert len(left.regions) == 0
    assert len(right.labels) == 0
    np.testing.assert_allclose(right.regions, [[0.01, 0.2, 0.02, 0.2]], atol=2e-6)
    assert right.remainders == 1
    assert [len(tile.labels) for tile in tiles(labels((7, 92, 10, 102, 30)), min_visible=0.2)] == [1, 1]
    assert [len(tile.labels) for tile in tiles(labels((7, 92, 10, 102, 30)), min_visible=0.9)] == [0, 0]


def test_ignored_regions_are_clipped_whatever_their_share():
    left, right = tiles(np.empty((0, 5)), fractions(np.array([[50.0, 0, 101, 50], [150, 50, 160, 60]]), WIDTH, HEIGHT))
    np.testing.assert_allclose(left.regions, [[0.75, 0.25, 0.5, 0.5]])
    np.testing.assert_allclose(right.regions, [[0.005, 0.25, 0.01, 0.5], [0.55, 0.55, 0.1, 0.1]])
    assert (left.remainders, right.remainders) == (0, 0)


def test_what_touches_a_tile_or_has_no_area_is_not_in_it():
    left, right = tiles(labels((0, 90, 10, 100, 20), (0, 50, 50, 50, 60)))
    assert (len(left.labels), len(right.labels), len(left.regions), len(right.regions)) == (1, 0, 0, 0)


def test_a_box_that_leaves_the_picture_counts_by_its_part_in_the_picture():
    (left, _) = tiles(labels((0, -30, 0, 10, 10)))  # 10 of 40 columns are in the picture, and all of these in the tile
    np.testing.assert_allclose(left.labels, [[0, 0.05, 0.05, 0.1, 0.1]], atol=2e-6)
    assert left.cut == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(33, 150), st.floats(0, 0.6), st.floats(0.05, 1))
def test_parts_lie_in_their_tile_and_without_overlap_they_add_up(seed, size, overlap, min_visible):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, [WIDTH - 1, HEIGHT - 1], (5, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 60, (5, 2))], 1).clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    rows = np.column_stack([np.arange(5), fractions(boxes, WIDTH, HEIGHT)])
    windows = TileGrid(size=size, overlap=overlap).windows(HEIGHT, WIDTH)
    areas, shown = np.prod(boxes[:, 2:] - boxes[:, :2], 1), np.zeros(len(windows))
    for i, tile in enumerate(tiles_of(rows, NONE, windows, WIDTH, HEIGHT, min_visible)):
        left, top, right, bottom = tile.window
        parts = corners(np.concatenate([tile.labels[:, 1:], tile.regions]), right - left, bottom - top)
        assert (parts >= -1e-9).all()
        assert (parts <= np.array([right - left, bottom - top] * 2) + 1e-9).all()
        shown[i] = np.prod(parts[:, 2:] - parts[:, :2], 1).sum()
        inside = (boxes[:, :2] >= [left, top]).all(1) & (boxes[:, 2:] <= [right, bottom]).all(1)
        assert set(np.flatnonzero(inside)) <= set(tile.labels[:, 0].astype(int))
    assert shown.sum() >= areas.sum() * (1 - 1e-9)  # every pixel of a box is in some tile
