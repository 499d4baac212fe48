"""Tiles cover a picture, have one size, overlap by the share asked for, and lie where SAHI puts its slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_attn.tiling import TileGrid

sides = st.integers(1, 900)
overlaps = st.sampled_from([0.0, 0.1, 0.2, 0.333, 0.5, 0.75])


def test_the_last_tile_is_moved_inwards():
    # 0.2 of 640 is 128: steps of 512, and the last tile of each row and column ends at the border.
    expected = [[0, 0, 640, 640], [512, 0, 1152, 640], [860, 0, 1500, 640]]
    expected += [[left, 160, right, 800] for left, _, right, _ in expected]
    assert TileGrid(640).windows(800, 1500).tolist() == expected


def test_a_number_of_columns_and_rows_is_met_with_tiles_as_small_as_the_overlap_allows():
    # 1000 = 3 w - 2 * 0.25 w gives w = 400 and steps of 300; 500 = 2 h - 0.25 h gives h = 285.7.
    windows = TileGrid(counts=(3, 2), overlap=0.25).windows(500, 1000)
    assert windows[:, 0].tolist() == [0, 300, 600] * 2
    assert windows[:, 1].tolist() == [0] * 3 + [214] * 3
    assert (windows[:, 2:] - windows[:, :2]).tolist() == [[400, 286]] * 6


@given(sides, sides, st.one_of(st.integers(20, 400), st.tuples(st.integers(1, 9), st.integers(1, 9))), overlaps)
@settings(deadline=None)
def test_tiles_cover_every_pixel_and_have_one_size(height, width, tiles, overlap):
    grid = TileGrid(tiles, overlap=overlap) if isinstance(tiles, int) else TileGrid(counts=tiles, overlap=overlap)
    windows = grid.windows(height, width)
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in windows:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert len(np.unique(windows[:, 2:] - windows[:, :2], axis=0)) == 1
    assert len(np.unique(windows, axis=0)) == len(windows)


@given(sides, sides, st.integers(20, 400), overlaps)
@settings(deadline=None)
def test_tiles_are_the_slices_of_sahi(height, width, size, overlap):
    slicing = pytest.importorskip("sahi.slicing")
    expected = slicing.get_slice_bboxes(height, width, size, size, False, overlap, overlap)
    assert TileGrid(size, overlap=overlap).windows(height, width).tolist() == expected


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 700), (640, 640), (300, 200)])
def test_a_picture_that_is_no_larger_than_a_tile_is_one_tile(height, width):
    assert TileGrid(640 if width < 700 else 700).windows(height, width).tolist() == [[0, 0, width, height]]


def test_more_columns_than_pixels_are_as_many_as_there_are_pixels():
    assert TileGrid(counts=(9, 9), overlap=0).windows(1, 3).tolist() == [[0, 0, 1, 1], [1, 0, 2, 1], [2, 0, 3, 1]]


@pytest.mark.parametrize(
    ("text", "grid"), [("640", TileGrid(640)), (" 3x2 ", TileGrid(counts=(3, 2))), ("1X1", TileGrid(counts=(1, 1)))]
)
def test_the_grid_is_read_from_text(text, grid):
    assert TileGrid.parse(text) == grid


@pytest.mark.parametrize("text", ["", "x", "3x", "x2", "3x2x1", "-640", "640px", "0.5", "1e3", "٣"])
def test_text_that_is_no_grid_is_refused(text):
    with pytest.raises(ValueError, match=r"expected pixels of a side, such as 640, or columns x rows, such as 3x2"):
        TileGrid.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "tiles: 0 pixels; give a side of at least the model's stride, such as 640"),
        ("0x2", "tiles: 0 columns x 2 rows; give at least 1 of each, such as 3x2"),
        ("3x0", "tiles: 3 columns x 0 rows; give at least 1 of each, such as 3x2"),
    ],
)
def test_tiles_of_no_pixels_are_refused(text, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        TileGrid.parse(text)


def test_a_size_in_pixels_is_not_taken_for_a_number_of_tiles():
    with pytest.raises(ValueError, match=r"640 columns x 480 rows; at most 100 of each\. Tiles .* are squares"):
        TileGrid.parse("640x480")


@pytest.mark.parametrize("overlap", [1, 1.5, -0.1, float("nan")])
def test_an_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        TileGrid.parse("640", overlap)


@pytest.mark.parametrize("given_values", [{}, {"size": 640, "counts": (3, 2)}])
def test_either_a_size_or_a_number_is_given(given_values):
    with pytest.raises(ValueError, match="give one of them"):
        TileGrid(**given_values)
