"""Raw outputs of a detector to boxes, with the choices of Ultralytics' predict.

The suppression itself is OpenCV's `NMSBoxes`: greedy, by falling score, equal scores in their order, as in torchvision. Classes are kept
apart by Ultralytics' offset, in float32 as there: it rounds coordinates, and so decides pairs at the threshold. OpenCV's
`NMSBoxesBatched` has an offset of its own in float64 and kept other boxes in 6 of 20 sets of 5,000.
"""

import cv2
import numpy as np

from yolo_attn.detection.detections import Detections

CLASS_OFFSET = 7680
MOST_CANDIDATES = 30_000


def detections(output: np.ndarray, conf: float, iou: float, max_det: int, multi_label: bool) -> Detections:
    """(4 + classes, A) centre, size and scores -> boxes on the padded image, by falling score.

    Args:
        output: Of one image.
        conf: Scores above it count.
        iou: A box is dropped if its IoU with a better one of its class is above this.
        max_det: Most boxes.
        multi_label: A box may have several classes; else the best one.
    """
    scores = output[4:]
    if multi_label and len(scores) > 1:
        above = scores > conf
        anchors, kinds = above.T.nonzero()  # anchor by anchor, as there
    else:
        anchors = (scores.max(0) > conf).nonzero()[0]
        kinds = scores[:, anchors].argmax(0)
    values = scores[kinds, anchors].astype(np.float32)
    if len(values) > MOST_CANDIDATES:
        best = np.argsort(-values, kind="stable")[:MOST_CANDIDATES]
        anchors, kinds, values = anchors[best], kinds[best], values[best]
    centres, halves = output[:2, anchors].astype(np.float32), output[2:4, anchors].astype(np.float32) / 2
    boxes = np.concatenate([centres - halves, centres + halves]).T  # (N, 4) xyxy
    kept = suppressed(boxes, values, kinds, iou)[:max_det]
    return Detections(boxes[kept], values[kept], kinds[kept])


def suppressed(boxes: np.ndarray, scores: np.ndarray, kinds: np.ndarray, iou: float) -> np.ndarray:
    """(N, 4) xyxy float32, (N,), (N,) -> indices of the boxes that stay, by falling score."""
    if not len(boxes):
        return np.empty(0, np.int64)
    apart = (boxes + (kinds[:, None] * CLASS_OFFSET).astype(np.float32)).astype(np.float64)
    apart[:, 2:] -= apart[:, :2]
    return np.asarray(cv2.dnn.NMSBoxes(apart, scores, 0.0, iou), np.int64).reshape(-1)


def final(output: np.ndarray, conf: float, max_det: int) -> Detections:
    """(N, 6) xyxy, score, class of a detector that needs no NMS -> boxes on the padded image, in the order given."""
    rows = output[output[:, 4] > conf][:max_det]
    return Detections(rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int64))
