"""Average precision of a set in which every picture counts any number of times.

A resample of a set takes some pictures twice and others not at all. Its detections are those of the set with weights, and
weights change neither who hits what nor the order of scores. So matching and sorting are done once; a resample needs
cumulative sums of weights. Precision and recall are looked at where a hit lies only: between two hits precision falls.
"""

from dataclasses import dataclass

import numpy as np

from yolo_attn.statistics.outcomes import Outcomes

CELLS = 1 << 17  # detections times resamples held at a time: what fits the cache
RECALLS = np.linspace(0, 1, 101)  # at which COCO samples precision, to the last bit


@dataclass(frozen=True, eq=False)
class _Class:
    """The detections of one class that count at a threshold or more, by falling score."""

    picture: np.ndarray  # (N,) of the detections
    hits: tuple[np.ndarray, ...]  # of each threshold, the places of the hits among the N
    uncounted: tuple[np.ndarray, ...]  # of each threshold, the places of those of the N that do not count there
    uncounted_before: tuple[np.ndarray, ...]  # of each threshold, how many of `uncounted` lie before each hit
    boxes: np.ndarray  # (P,)


class WeightedAP:
    """Weights of pictures (W, P), whole numbers -> AP of each class (W, C, T) in percent, NaN for a class without boxes.

    Args:
        outcomes: What became of the detections.
        recalls: Where COCO's AP samples precision; the official AP is the whole area and needs none.
    """

    def __init__(self, outcomes: Outcomes, recalls: np.ndarray = RECALLS):
        self.official, self.recalls = outcomes.official, recalls
        self.boxes = outcomes.boxes
        self._classes = [_of_class(outcomes, category) for category in range(len(outcomes.boxes))]
        self._thresholds = outcomes.hit.shape[1]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        weights = np.asarray(weights, np.int32)
        ap = np.full((len(weights), len(self._classes), self._thresholds), np.nan)
        for category, detections in enumerate(self._classes):
            if not detections.boxes.any():
                continue
            step = max(1, CELLS // max(1, len(detections.picture)))
            for start in range(0, len(weights), step):
                rows = slice(start, start + step)
                ap[rows, category] = self._of_class(detections, weights[rows])
        return ap

    def mean(self, weights: np.ndarray, ap: np.ndarray) -> np.ndarray:
        """Weights (W, P) and what they gave (W, C, T) -> the mean over classes (W, T), NaN without any box.

        A class counts once for every picture that has it in VisDrone's protocol, and once in COCO's.
        """
        of_class = weights @ (self.boxes > 0).T.astype(np.int64)  # (W, C)
        if not self.official:
            of_class = np.minimum(of_class, 1)
        total = of_class.sum(1, keepdims=True)
        shares = np.divide(of_class, total, out=np.full(of_class.shape, np.nan), where=total > 0)
        return (shares[:, :, None] * np.where(of_class[:, :, None] > 0, ap, 0)).sum(1)

    def _of_class(self, detections: _Class, weights: np.ndarray) -> np.ndarray:
        """Weights (W, P) -> AP (W, T)."""
        ap = np.zeros((len(weights), self._thresholds))
        total = weights @ detections.boxes  # (W,)
        of_detection = weights.take(detections.picture, 1)
        counted = of_detection.cumsum(1, dtype=np.int32)
        parts = zip(detections.hits, detections.uncounted, detections.uncounted_before, strict=True)
        for threshold, (hits, uncounted, before) in enumerate(parts):
            if not len(hits):
                continue
            of_hit = of_detection.take(hits, 1)
            positives = of_hit.cumsum(1, dtype=np.int32)
            predicted = counted.take(hits, 1)
            if len(uncounted):
                lost = of_detection.take(uncounted, 1).cumsum(1, dtype=np.int32)
                predicted -= np.pad(lost, ((0, 0), (1, 0))).take(before, 1)
            precision = positives / np.maximum(1, predicted)
            envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            if self.official:  # the area under the envelope: recall rises by the weight of each hit
                ap[:, threshold] = (envelope * of_hit).sum(1) / np.maximum(1, total)
            else:
                ap[:, threshold] = _at_recalls(positives, envelope, total, self.recalls)
        ap[total == 0] = np.nan
        return 100 * ap


def _of_class(outcomes: Outcomes, category: int) -> _Class:
    counts = (outcomes.hit | outcomes.wrong).any(1)
    index = np.flatnonzero((outcomes.category == category) & counts)
    hit, wrong = outcomes.hit[index], outcomes.wrong[index]
    hits = tuple(np.flatnonzero(column) for column in hit.T)
    uncounted = tuple(np.flatnonzero(~column) for column in (hit | wrong).T)
    before = tuple(np.searchsorted(lost, of_hit) for lost, of_hit in zip(uncounted, hits, strict=True))
    return _Class(outcomes.picture[index], hits, uncounted, before, outcomes.boxes[category])


def _at_recalls(positives: np.ndarray, envelope: np.ndarray, total: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Sums of hits (W, H) and the envelope at them, boxes (W,) -> (W,) mean precision at the recalls."""
    reached = np.searchsorted(recalls, positives / np.maximum(1, total)[:, None], side="right")
    return (envelope * np.diff(reached, axis=1, prepend=0)).sum(1) / len(recalls)
