"""The scores of a detector over any choice of images, from what it found in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolo_attn.plugin.metrics import average_precision
from yolo_attn.statistics.weighted_ap import WeightedAP

METRIC, OFFICIAL = "mAP50-95", "official AP"


@dataclass(frozen=True)
class DetectionScores:
    """What was found in each image, from which the score of any choice of images follows."""

    # of each image hits (N, 10 thresholds), scores (N,) and classes (N,), and the true classes (M,)
    images: tuple[tuple[np.ndarray, ...], ...]
    official: WeightedAP | None = None  # the same images by VisDrone's protocol, if they have its annotations

    def __len__(self) -> int:
        return len(self.images)

    def scores(self, index: np.ndarray) -> dict[str, float]:
        """mAP50-95, and the official AP where there is one, in percent over the images at `index`, which may repeat."""
        found = {METRIC: self._mean_average_precision(index)}
        if self.official:
            weights = np.bincount(index, minlength=len(self))[None]
            ap = self.official.mean(weights, self.official(weights)).mean()
            found[OFFICIAL] = 0.0 if np.isnan(ap) else float(ap)
        return found

    def _mean_average_precision(self, index: np.ndarray) -> float:
        """0 without any object."""
        chosen = [self.images[place] for place in index]
        hits, scores, classes, true_classes = map(np.concatenate, zip(*chosen, strict=True))
        if not len(true_classes) or not len(scores):
            return 0.0
        return 100 * float(average_precision(hits, scores, classes, true_classes)[0].mean())
