"""From hits and false alarms by falling score to precision over recall, and to the area under it."""

import numpy as np

RECALLS = np.arange(101) / 100  # at which a curve is sampled, for plots


def average_precision(hit: np.ndarray, wrong: np.ndarray, total: int) -> np.ndarray:
    """True and false positives (D, T) by falling score -> AP (T,) in percent, the area of VOC 2010 over all points."""
    # Recall rises by 1 / total at every hit and only there.
    return 100 * np.where(hit, precision_envelope(hit, wrong) / total, 0).sum(0)


def precision_over_recall(hit: np.ndarray, wrong: np.ndarray, total: int) -> np.ndarray:
    """True and false positives (D,) by falling score -> the highest precision at each of RECALLS or beyond, 0 to 1."""
    recall, envelope = hit.cumsum() / total, precision_envelope(hit[:, None], wrong[:, None])[:, 0]
    first = np.searchsorted(recall, RECALLS)  # the first detection at which a recall is reached
    return np.append(envelope, 0.0)[first]


def precision_envelope(hit: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Precision (D, T) raised to the highest that any later detection reaches."""
    hits = hit.cumsum(0)
    precision = hits / np.maximum(1, hits + wrong.cumsum(0))
    return np.maximum.accumulate(precision[::-1], 0)[::-1]
