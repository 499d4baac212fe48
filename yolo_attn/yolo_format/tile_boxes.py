"""Boxes of a picture -> labels and ignored regions of its tiles."""

from dataclasses import dataclass

import numpy as np

from yolo_attn.yolo_format.rows import corners, fractions

ROUNDING = 1e-3  # six decimals of a label move the visible share of a small box by less


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile and what is in it."""

    window: tuple[int, int, int, int]  # left, top, right, bottom in the picture
    labels: np.ndarray  # (N, 5) class, x, y, width, height as fractions of the tile
    # (M, 4) ignored regions: those of the picture, then what is left of boxes that are no label here
    regions: np.ndarray
    sources: np.ndarray  # (N,) number of the box in the picture that each label comes from
    cut: int  # labels of which a part lies outside the tile
    remainders: int  # of the regions, those that are parts of boxes


def tiles_of(
    labels: np.ndarray, regions: np.ndarray, windows: np.ndarray, width: int, height: int, min_visible: float
) -> list[Tile]:
    """Labels (N, 5) and ignored regions (M, 4) of a picture -> its tiles, one for each window (K, 4) xyxy in pixels.

    A box becomes a label where at least `min_visible` of its area lies in the tile, clipped to the tile. Where less does, the part is
    an ignored region: it is neither an object that can be known as such nor background.

    Args:
        width, height: Of the picture, in pixels; boxes are clipped to it first.
    """
    boxes, ignored = (_pixels(rows, width, height) for rows in (labels[:, 1:], regions))
    tiles = []
    for window in windows:
        inner, share = _clipped(boxes, window)
        shown = np.flatnonzero((share > 0) & (share >= min_visible - ROUNDING))
        remaining = np.flatnonzero((share > 0) & (share < min_visible - ROUNDING))
        in_regions, region_share = _clipped(ignored, window)
        sides = window[2] - window[0], window[3] - window[1]
        tiles.append(
            Tile(
                window=tuple(window.tolist()),
                labels=np.column_stack([labels[shown, 0], fractions(inner[shown], *sides)]),
                regions=fractions(np.concatenate([in_regions[region_share > 0], inner[remaining]]), *sides),
                sources=shown,
                cut=int((share[shown] < 1 - ROUNDING).sum()),
                remainders=len(remaining),
            )
        )
    return tiles


def _pixels(rows: np.ndarray, width: int, height: int) -> np.ndarray:
    return corners(rows, width, height).clip(0, [width, height, width, height])


def _clipped(boxes: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) xyxy -> their parts in a window (4,), relative to it, and the share (N,) of their area that these are."""
    inner = boxes.clip(np.tile(window[:2], 2), np.tile(window[2:], 2))
    area, shown = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes, inner))
    share = np.divide(shown, area, out=np.zeros(len(boxes)), where=area > 0)
    return inner - np.tile(window[:2], 2), share
