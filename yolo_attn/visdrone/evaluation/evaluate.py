"""The official VisDrone-DET evaluation: AP, AP50, AP75 and AR at 1, 10, 100 and 500 detections, in percent.

Protocol: https://github.com/VisDrone/VisDrone2018-DET-toolkit. It is not COCO's and not that of Ultralytics' `val`:
boxes half inside an ignored region are removed, detections are cut by file order over all classes together, AP is the
whole area under the precision envelope, and the class mean counts a class once for every image that contains it.
Numbers of different protocols do not belong in one column.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from yolo_attn.visdrone.annotations import IGNORED_REGION, NAMES
from yolo_attn.visdrone.evaluation import coco as coco_protocol
from yolo_attn.visdrone.evaluation.ignored_regions import outside_regions
from yolo_attn.visdrone.evaluation.matching import THRESHOLDS, candidates, join, true_positives
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS, Frame, Submission, load

MAX_DETECTIONS = (1, 10, 100, MOST_ROWS)
_CATEGORIES = np.arange(1, len(NAMES) + 1)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result, in percent; NaN where there is nothing to average.

    Attributes:
        ap: (10 classes, 10 IoU thresholds); 0 for a class without ground truth, which no mean includes.
        ar: (10 classes, 10 IoU thresholds, 4 numbers of detections).
        images_per_class: (10,) images in which a class has ground truth outside the ignored regions, score 0 included.
        kept: {stem: (ground truth, detections)} that the ignored regions left.
        counts: What was read and what was dropped.
        warnings: Sentences about odd input.
        coco: The COCO column, another protocol; None unless asked for.
    """

    ap: np.ndarray
    ar: np.ndarray
    images_per_class: np.ndarray
    kept: dict[str, tuple[int, int]]
    counts: dict[str, int]
    warnings: tuple[str, ...]
    coco: coco_protocol.CocoColumn | None = None

    @property
    def official(self) -> dict[str, float]:
        """The seven official numbers, classes weighed by the number of images that contain them."""
        return self._mean(self.images_per_class)

    @property
    def plain_class_mean(self) -> dict[str, float]:
        """The same seven with every class that has ground truth weighed alike."""
        return self._mean(self.images_per_class > 0)

    @property
    def per_class(self) -> list[dict[str, str | int | float]]:
        """Name, category, images, AP, AP50 and AP75 of each class; NaN for a class without ground truth."""
        return [
            {"category": int(category), "name": name, "images": int(images)} | _summary(row if images else row * np.nan)
            for category, name, images, row in zip(_CATEGORIES, NAMES, self.images_per_class, self.ap, strict=True)
        ]

    def as_dict(self) -> dict:
        """The seven official numbers at the top, the rest in named parts, in plain Python types."""
        return {
            **self.official,
            "plain_class_mean": self.plain_class_mean,
            "per_class": self.per_class,
            "counts": self.counts,
            "warnings": list(self.warnings),
            **({"coco": asdict(self.coco)} if self.coco else {}),
        }

    def to_json(self) -> str:
        """`as_dict` as JSON, NaN written as null."""
        return json.dumps(_nan_to_none(self.as_dict()), indent=2, allow_nan=False)

    def _mean(self, weights: np.ndarray) -> dict[str, float]:
        if not weights.any():
            return dict.fromkeys(("AP", "AP50", "AP75", *(f"AR{most}" for most in MAX_DETECTIONS)), float("nan"))
        ap, ar = np.average(self.ap, 0, weights), np.average(self.ar, 0, weights).mean(0)
        return _summary(ap) | {f"AR{most}": float(value) for most, value in zip(MAX_DETECTIONS, ar, strict=True)}


def evaluate(
    annotations: Path, detections: Path, sizes: Mapping[str, tuple[int, int]], coco: bool = False
) -> Evaluation:
    """Folders of VisDrone text files -> the official numbers.

    Args:
        annotations: Folder with one file per image, ignored regions (category 0) included.
        detections: Folder with files of the same names; rows sorted by falling score, at most 500.
        sizes: {stem: (width, height)} in pixels, as `sizes.read_sizes` gives them.
        coco: Add COCO's AP in a part of its own; needs faster-coco-eval.

    Raises:
        FileNotFoundError, ValueError: The input is not as above; see `submission.load`.
        ImportError: `coco` is asked for and faster-coco-eval is not installed.
    """
    if coco:
        coco_protocol.require_backend()
    submission = load(annotations, detections, sizes)
    result = evaluate_frames(submission)
    return replace(result, coco=coco_protocol.evaluate(submission)) if coco else result


def evaluate_frames(submission: Submission) -> Evaluation:
    """Frames in memory -> the official numbers."""
    frames = submission.frames
    parts = [_without_ignored(frame) for frame in frames]
    kept = {frame.stem: (len(truth), len(found)) for frame, (truth, found) in zip(frames, parts, strict=True)}
    images_per_class = np.sum([np.isin(_CATEGORIES, truth[:, 5]) for truth, _ in parts], 0)

    # Detections of an image in order of choice: by falling score, equal scores in file order.
    row = [np.argsort(-found[:MOST_ROWS, 4], kind="stable") for _, found in parts]
    pool = join([candidates(found[order], truth) for (truth, found), order in zip(parts, row, strict=True)])
    found = np.concatenate([found[order] for (_, found), order in zip(parts, row, strict=True)])
    row = np.concatenate(row)
    truth_categories = np.concatenate([truth[:, 5] for truth, _ in parts])

    # Rows beyond the limit leave before the matching: in an unsorted file they may hold the better detections.
    taken = [true_positives(pool.only(row < most)) for most in MAX_DETECTIONS]
    ap = np.zeros((len(NAMES), len(THRESHOLDS)))
    ar = np.zeros((len(NAMES), len(THRESHOLDS), len(MAX_DETECTIONS)))
    for index, category in enumerate(_CATEGORIES):
        members = np.flatnonzero(found[:, 5] == category)
        members = members[np.argsort(-found[members, 4], kind="stable")]  # equal scores: image order, then file order
        total = max(1, int((truth_categories == category).sum()))  # score-0 boxes count, although none can be found
        hit = taken[-1][members]
        wrong = ~hit & (pool.ignored_share[members, None] < THRESHOLDS)
        ap[index] = _area_under_envelope(hit, wrong, total)
        ar[index] = np.stack([100 * (hits[members].sum(0) / total) for hits in taken], -1)

    regions = sum(int((frame.annotations[:, 5] == IGNORED_REGION).sum()) for frame in frames)
    truths = sum(len(frame.annotations) for frame in frames) - regions
    detections = sum(len(frame.detections) for frame in frames)
    counts = {
        "images": len(frames),
        "ignored_regions": regions,
        "ground_truth": truths,
        "ground_truth_dropped": truths - sum(truth for truth, _ in kept.values()),
        "detections": detections,
        "detections_dropped": detections - sum(found for _, found in kept.values()),
        "detections_cut": sum(max(0, found - MOST_ROWS) for _, found in kept.values()),
    }
    return Evaluation(ap, ar, images_per_class, kept, counts, submission.warnings)


def _without_ignored(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth (G, 8) and detections (D, 8) of a frame that its ignored regions leave, in file order."""
    is_region = frame.annotations[:, 5] == IGNORED_REGION
    regions, truth, found = frame.annotations[is_region], frame.annotations[~is_region], frame.detections
    boxes = np.concatenate([truth, found])[:, :4]
    keep = outside_regions(boxes, regions[:, :4], frame.width, frame.height)
    return truth[keep[: len(truth)]], found[keep[len(truth) :]]


def _area_under_envelope(hit: np.ndarray, wrong: np.ndarray, total: int) -> np.ndarray:
    """True and false positives (D, T) by falling score -> AP (T,) in percent, the area of VOC 2010 over all points."""
    hits = hit.cumsum(0)
    precision = hits / np.maximum(1, hits + wrong.cumsum(0))
    envelope = np.maximum.accumulate(precision[::-1], 0)[::-1]
    return 100 * np.where(hit, envelope / total, 0).sum(0)  # recall rises by 1 / total at every hit and only there


def _summary(ap: np.ndarray) -> dict[str, float]:
    """AP by threshold (10,) -> the three numbers read from it."""
    return {"AP": float(ap.mean()), "AP50": float(ap[0]), "AP75": float(ap[5])}


def _nan_to_none(value):
    if isinstance(value, dict):
        return {key: _nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_nan_to_none(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
