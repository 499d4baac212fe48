"""Grids of overlapping tiles over a picture, given by their size in pixels or by their number."""

import re
from dataclasses import dataclass

import numpy as np

OVERLAP = 0.2  # of a tile's side
MOST_TILES = 100  # columns, and rows; "640x480" means pixels and not a number of tiles


@dataclass(frozen=True)
class TileGrid:
    """Tiles over pictures of any size; give either `size` or `counts`.

    Raises:
        ValueError: Both or neither are given, or a value is out of range.
    """

    size: int | None = None  # pixels of a tile's sides
    counts: tuple[int, int] | None = None  # columns and rows
    overlap: float = OVERLAP  # share of a tile's side that its neighbour repeats, at least 0 and below 1

    def __post_init__(self) -> None:
        if (self.size is None) == (self.counts is None):
            raise ValueError(f"tiles: size {self.size}, counts {self.counts}; give one of them")
        if self.size is not None and self.size < 1:
            raise ValueError(f"tiles: {self.size} pixels; give a side of at least the model's stride, such as 640")
        if self.counts and min(self.counts) < 1:
            raise ValueError(
                f"tiles: {self.counts[0]} columns x {self.counts[1]} rows; give at least 1 of each, such as 3x2"
            )
        if self.counts and max(self.counts) > MOST_TILES:
            raise ValueError(
                f"tiles: {self.counts[0]} columns x {self.counts[1]} rows; at most {MOST_TILES} of each. Tiles of a given size"
                " are squares, named by their side, such as 640"
            )
        if not 0 <= self.overlap < 1:
            raise ValueError(f"tiles: overlap {self.overlap}; it is a share of a tile's side, at least 0 and below 1")

    @classmethod
    def parse(cls, text: str, overlap: float = OVERLAP) -> "TileGrid":
        """Read "640", tiles of 640 x 640 pixels, or "3x2", three columns and two rows.

        Raises:
            ValueError: The text is neither, or a value is out of range.
        """
        numbers = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*x\s*([0-9]{1,6}))?\s*", text, re.IGNORECASE)
        if numbers is None:
            raise ValueError(f"tiles {text!r}: expected pixels of a side, such as 640, or columns x rows, such as 3x2")
        if numbers[2] is None:
            return cls(size=int(numbers[1]), overlap=overlap)
        return cls(counts=(int(numbers[1]), int(numbers[2])), overlap=overlap)

    def windows(self, height: int, width: int) -> np.ndarray:
        """Picture of height x width pixels -> its tiles (N, 4) xyxy in whole pixels, row by row.

        All tiles of a picture have one size. The last of a row or column is moved inwards to end at the border of the picture;
        a picture narrower or lower than a tile limits the tile.
        """
        columns, rows = self.counts or (None, None)
        lefts, tile_width = self._along(width, columns)
        tops, tile_height = self._along(height, rows)
        corners = np.stack(np.meshgrid(lefts, tops), -1).reshape(-1, 2)
        return np.hstack([corners, np.add(corners, (tile_width, tile_height))])

    def _along(self, length: int, count: int | None) -> tuple[np.ndarray, int]:
        """Side of a picture -> starts of the tiles along it, and their length."""
        if count is not None:
            tile = int(np.ceil(length / (count - (count - 1) * self.overlap)))
            return np.unique(np.linspace(0, length - tile, count).round().astype(np.int64)), tile
        assert self.size is not None
        tile = min(self.size, length)
        step = self.size - int(self.overlap * self.size)  # as SAHI rounds it
        return np.minimum(np.arange(0, max(length - int(self.overlap * self.size), 1), step), length - tile), tile
