"""Boxes found on overlapping tiles -> boxes of the whole picture: the border rule, and two ways to merge repeated boxes.

Both ways are those of SAHI (Akyon et al., ICIP 2022, https://arxiv.org/abs/2202.06934), box for box: arithmetic in float32,
overlaps equal to the threshold count, and equal scores are ordered by their boxes.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from yolo_attn.detection.detections import Detections

MARGIN = 2.0  # pixels between a box and a border of its tile, up to which the border cuts the box


def cut_but_whole_elsewhere(boxes: np.ndarray, tile: int, windows: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (N, 4) found on one tile, in pixels of the picture -> (N,) bool: cut by an inner border, and whole on another tile.

    Args:
        boxes: Boxes xyxy.
        tile: Index in `windows` of the tile that they were found on.
        windows: All tiles (T, 4) xyxy of the picture.
        height: Height of the picture; its borders, and those of its width, are not inner ones.
        width: Width of the picture.
    """
    low = np.where(windows[:, :2] > 0, windows[:, :2] + MARGIN, -np.inf)
    high = np.where(windows[:, 2:] < [width, height], windows[:, 2:] - MARGIN, np.inf)

    def whole(boxes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.minimum(boxes[:, :2] - low, high - boxes[:, 2:]).min(1) >= 0

    dropped = ~whole(boxes, low[tile], high[tile])
    dropped[dropped] = np.any([whole(boxes[dropped], *inside) for inside in zip(low, high, strict=True)], axis=0)
    return dropped


def joined(parts: Sequence[Detections]) -> Detections:
    """Join detections on one picture into one set, without boxes of no area."""
    boxes = np.concatenate([part.boxes for part in parts])
    scores, classes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "classes"))
    kept = (boxes[:, :2] < boxes[:, 2:]).all(1)
    return Detections(boxes[kept], scores[kept], classes[kept])


def suppress_repeated(detections: Detections, threshold: float, max_det: int) -> Detections:
    """Keep the best of the boxes of a class whose IoU is `threshold` or more; at most `max_det`, by falling score."""
    kept = [best for best, _ in _groups(detections, threshold, max_det, by_smaller=False)]
    return Detections(detections.boxes[kept], detections.scores[kept], detections.classes[kept])


def merge_repeated(detections: Detections, threshold: float, max_det: int) -> Detections:
    """Enclose boxes of a class that share `threshold` or more of the smaller one; at most `max_det`, by falling score.

    Greedy: a box grows by the boxes that overlap it, best first, as long as they overlap what it has grown to, and keeps its
    score. The others of them are dropped.
    """
    boxes = detections.boxes.copy()
    kept = []
    for best, repeated in _groups(detections, threshold, max_det, by_smaller=True):
        kept.append(best)
        grown = detections.boxes[best].astype(np.float64)
        for box in detections.boxes[repeated].astype(np.float64):
            if _overlaps(grown, box[None], by_smaller=True)[0] >= threshold:
                grown = np.concatenate([np.minimum(grown[:2], box[:2]), np.maximum(grown[2:], box[2:])])
        boxes[best] = grown
    return Detections(boxes[kept], detections.scores[kept], detections.classes[kept])


def _groups(detections: Detections, threshold: float, most: int, by_smaller: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, by falling score, the index of a box and those of the lesser boxes of its class that it overlaps, best first.

    Every box is in one group only; after `most` groups the rest is not looked at.
    """
    boxes, scores, classes = detections.boxes, detections.scores, detections.classes
    order = np.lexsort((*boxes.T[::-1], -scores))
    of_class = {index: order[classes[order] == index] for index in np.unique(classes).tolist()}
    grouped, found = np.zeros(len(boxes), bool), 0
    for best in order.tolist():
        if found == most:
            return
        if grouped[best]:
            continue
        found += 1
        lesser = of_class[int(classes[best])][1:]
        repeated = _overlaps(boxes[best], boxes[lesser], by_smaller) >= threshold
        of_class[int(classes[best])] = lesser[~repeated]
        grouped[lesser[repeated]] = True
        yield best, lesser[repeated]


def _overlaps(box: np.ndarray, boxes: np.ndarray, by_smaller: bool) -> np.ndarray:
    """(4,), (N, 4) xyxy -> (N,) intersection over union, or over the smaller box; 0 where that has no area."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = sides.clip(0).prod(1)
    area, areas = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    base = np.minimum(area, areas) if by_smaller else area + areas - shared
    return np.divide(shared, base, out=np.zeros_like(shared), where=base > 0)
