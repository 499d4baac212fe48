"""The rows of all images in one place, without what the ignored regions remove, and the pairs that may match."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation.ignored_regions import outside_regions
from yolo_attn.visdrone.evaluation.matching import Candidates, candidates, join
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame

CATEGORIES = np.arange(1, len(NAMES) + 1)


@dataclass(frozen=True, eq=False)
class Pooled:
    """D detections and G ground truth boxes, image after image."""

    detections: np.ndarray  # (D, 8) the first 500 rows of each image, in the order in which they choose
    file_row: np.ndarray  # (D,) place of each detection in its file, from 0, of those that are left
    image: np.ndarray  # (D,) number of the image
    truth: np.ndarray  # (G, 8) in file order, boxes with score 0 and of other categories included
    truth_image: np.ndarray  # (G,)
    pairs: Candidates

    @cached_property
    def by_score(self) -> list[np.ndarray]:
        """Detections of each class by falling score; ties in the order of images, then of the file."""
        classes = [np.flatnonzero(self.detections[:, 5] == category) for category in CATEGORIES]
        return [index[np.argsort(-self.detections[index, 4], kind="stable")] for index in classes]

    def boxes_of(self, index: int) -> int:
        """Number of ground truth boxes of a class, from 0; score-0 boxes count, although none can be found."""
        return int((self.truth[:, 5] == CATEGORIES[index]).sum())


def without_ignored(frame: Frame) -> Frame:
    """Remove the ignored regions and the rows inside them."""
    is_region = frame.annotations[:, 5] == IGNORED_REGION
    regions, truth = frame.annotations[is_region], frame.annotations[~is_region]
    boxes = np.concatenate([truth, frame.detections])[:, :4]
    outside = outside_regions(boxes, regions[:, :4], frame.width, frame.height)
    detections = frame.detections[outside[len(truth) :]]
    return replace(frame, annotations=truth[outside[: len(truth)]], detections=detections)


def pool(frames: Sequence[Frame]) -> Pooled:
    """Join frames without ignored regions, as `without_ignored` returns them."""
    # The detections of an image choose by falling score, equal scores in file order.
    orders = [np.argsort(-frame.detections[:MOST_ROWS, 4], kind="stable") for frame in frames]
    by_choice = [frame.detections[order] for frame, order in zip(frames, orders, strict=True)]
    images = np.arange(len(frames))
    return Pooled(
        detections=np.concatenate(by_choice),
        file_row=np.concatenate(orders),
        image=np.repeat(images, [len(rows) for rows in by_choice]),
        truth=np.concatenate([frame.annotations for frame in frames]),
        truth_image=np.repeat(images, [len(frame.annotations) for frame in frames]),
        pairs=join([candidates(rows, frame.annotations) for rows, frame in zip(by_choice, frames, strict=True)]),
    )
