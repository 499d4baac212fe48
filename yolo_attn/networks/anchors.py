"""Whether anchors fit the boxes of a data set, and anchors that do."""

import numpy as np

RATIO = 4.0  # of the loss: a box takes an anchor whose sides are within this factor of its own
STARTS = 10  # of k-means; the best result counts


def best_possible_recall(sizes: np.ndarray, boxes: np.ndarray) -> float:
    """Anchors (A, 2) and boxes (N, 2), width and height in pixels -> share of the boxes that some anchor fits, 0 to 1."""
    if not len(boxes):
        return float("nan")
    ratio = boxes[:, None] / sizes[None]
    return float((np.maximum(ratio, 1 / ratio).max(2) < RATIO).any(1).mean())


def fitted(boxes: np.ndarray, levels: int, anchors: int = 3, seed: int = 0) -> np.ndarray:
    """Boxes (N, 2), width and height in pixels -> anchors (levels, anchors, 2), by k-means, smallest first.

    YOLOv5 mutates the means of k-means a thousand times more; this stops at k-means.

    Args:
        boxes: Sides of the training boxes at the training size; those under 2 pixels are left out.
        levels: Levels of the head.
        anchors: Anchors of each level.
        seed: Of the random start.

    Raises:
        ValueError: There are fewer different boxes than anchors.
    """
    from scipy.cluster.vq import kmeans

    wanted = levels * anchors
    boxes = np.unique(boxes[(boxes >= 2).all(1)].astype(np.float64), axis=0)
    if len(boxes) < wanted:
        raise ValueError(
            f"AnchorDetect: {len(boxes)} different boxes of 2 pixels and more cannot give {wanted} anchors;"
            " write anchors into the row instead of auto"
        )
    spread = boxes.std(0).clip(1e-6)  # so that neither side decides alone
    rng = np.random.default_rng(seed)
    starts = [boxes[rng.choice(len(boxes), wanted, replace=False)] / spread for _ in range(STARTS)]
    trials = [kmeans(boxes / spread, start) for start in starts]
    means, _ = min((trial for trial in trials if len(trial[0]) == wanted), key=lambda trial: trial[1])
    sizes = means * spread
    return sizes[np.argsort(sizes.prod(1))].reshape(levels, anchors, 2)
