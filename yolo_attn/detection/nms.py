"""Raw outputs of a detector to boxes, with the choices of Ultralytics' predict.

The suppression itself is OpenCV's `NMSBoxes`: greedy, by falling score, equal scores in their order, as in torchvision. Classes are
separated by Ultralytics' offset, in float32 as there: it rounds coordinates, and so decides pairs at the threshold. OpenCV's
`NMSBoxesBatched` has an offset of its own in float64 and kept other boxes in 6 of 20 sets of 5,000.
"""

import cv2
import numpy as np

from yolo_attn.detection.detections import Detections
from yolo_attn.detection.presets import DetectionSettings

CLASS_OFFSET = 7680
MAX_CANDIDATES = 30_000
FIRST_CANDIDATES = 1_000


def decode(output: np.ndarray, settings: DetectionSettings) -> Detections:
    """(4 + classes, A) centre, size and scores of one image -> boxes on the padded image, by falling score."""
    scores = output[4:]
    if settings.multi_label and len(scores) > 1:
        anchors, classes = (scores > settings.conf).T.nonzero()  # anchor by anchor, as there
    else:
        anchors = (scores.max(0) > settings.conf).nonzero()[0]
        classes = scores[:, anchors].argmax(0)
    if settings.classes is not None:
        wanted = np.isin(classes, settings.classes)
        anchors, classes = anchors[wanted], classes[wanted]
    best = scores[classes, anchors].astype(np.float32)
    if len(best) > MAX_CANDIDATES:
        order = np.argsort(-best, kind="stable")[:MAX_CANDIDATES]
        anchors, classes, best = anchors[order], classes[order], best[order]
    centres, halves = output[:2, anchors].astype(np.float32), output[2:4, anchors].astype(np.float32) / 2
    boxes = np.concatenate([centres - halves, centres + halves]).T  # (N, 4) xyxy
    kept = suppress(boxes, best, classes, settings.iou, settings.max_det)
    return Detections(boxes[kept], best[kept], classes[kept])


def suppress(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float, max_det: int) -> np.ndarray:
    """(N, 4) xyxy float32, (N,), (N,) -> indices of the boxes that no better one of their class overlaps, by falling score.

    Which boxes stay among the best few thousand does not depend on the rest, so the rest is looked at only if too few stay:
    the time grows with the square of their number.
    """
    order = np.argsort(-scores, kind="stable")
    separated = (boxes + (classes[:, None] * CLASS_OFFSET).astype(np.float32)).astype(np.float64)[order]
    separated[:, 2:] -= separated[:, :2]
    tried, kept = 0, np.empty(0, np.int64)
    while len(kept) < max_det and tried < len(order):
        tried = max(4 * tried, FIRST_CANDIDATES, max_det)
        rectangles, best = separated[:tried], scores[order[:tried]]
        indices = cv2.dnn.NMSBoxes(rectangles, best, 0.0, iou)  # type: ignore[arg-type]  # OpenCV's stubs know lists only
        kept = np.asarray(indices, np.int64).reshape(-1)
    return order[kept[:max_det]]


def select(output: np.ndarray, settings: DetectionSettings) -> Detections:
    """(N, 6) xyxy, score, class of a detector that needs no NMS -> boxes on the padded image, in the order given."""
    rows = output[output[:, 4] > settings.conf]
    if settings.classes is not None:
        rows = rows[np.isin(rows[:, 5], settings.classes)]
    rows = rows[: settings.max_det]
    return Detections(rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int64))
