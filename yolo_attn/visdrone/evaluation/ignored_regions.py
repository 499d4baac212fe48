"""Finds the boxes that the official VisDrone evaluation removes because they lie in ignored regions.

The toolkit paints the regions into a pixel mask of the image and takes a box's share of it from a prefix sum. Here the
mask is kept only where it can change: the region borders cut the image into a small grid whose cells are wholly
painted or wholly free, and a box's painted pixels are its overlap with the painted cells. All values are integers far
below 2**53, so the count is the same to the last pixel.
"""

import numpy as np


def outside_regions(boxes: np.ndarray, regions: np.ndarray, width: int, height: int) -> np.ndarray:
    """boxes (N, 4), regions (R, 4), both left, top, width, height -> (N,) bool, True where less than half is ignored.

    Args:
        boxes: Pixels, any float; rounded half away from zero and raised to at least 1, as the toolkit does.
        regions: Pixels. Fractions are rounded as for boxes; the toolkit itself stops on them.
        width: Image width in pixels.
        height: Image height in pixels.
    """
    if len(boxes) == 0 or len(regions) == 0:
        return np.ones(len(boxes), bool)
    # Half-open borders in 1-based pixels: a region paints pixels start + 1 .. stop, (w + 1) x (h + 1) of them. What it
    # would paint outside the image no box counts.
    region = _whole_pixels(regions)
    start, stop = region[:, :2] - 1, region[:, :2] + region[:, 2:]
    across = np.unique((start[:, 0], stop[:, 0]))
    down = np.unique((start[:, 1], stop[:, 1]))
    in_column = (start[:, :1] <= across[:-1]) & (across[1:] <= stop[:, :1])  # (R, columns)
    in_row = (start[:, 1:] <= down[:-1]) & (down[1:] <= stop[:, 1:])  # (R, rows)
    painted = (in_column[:, :, None] & in_row[:, None, :]).any(0).astype(np.float64)

    # A box counts pixels left + 1 .. right: one column and one row fewer than a region of the same numbers.
    box = _whole_pixels(boxes)
    first, last = box[:, :2], np.minimum([width, height], box[:, :2] + box[:, 2:])
    columns = _overlap(first[:, 0], last[:, 0], across)
    rows = _overlap(first[:, 1], last[:, 1], down)
    ignored = np.einsum("nc,nc->n", columns @ painted, rows)
    return ignored / (box[:, 3] * box[:, 2]) < 0.5  # the whole box, also the part outside the image


def _whole_pixels(boxes: np.ndarray) -> np.ndarray:
    """max(1, round(boxes)) with MATLAB's rounding, half away from zero; only values above 1/2 can end above 1."""
    floor = np.floor(boxes)
    return np.maximum(1.0, floor + (boxes - floor >= 0.5))


def _overlap(first: np.ndarray, last: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Spans (N,) to (N,) and edges (E + 1,) -> length of each span in each cell (N, E)."""
    return np.maximum(0.0, np.minimum(last[:, None], edges[1:]) - np.maximum(first[:, None], edges[:-1]))
