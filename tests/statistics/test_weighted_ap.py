"""AP of resampled sets against the evaluations of the sets themselves."""

from dataclasses import replace

import numpy as np
import pytest

from tests.statistics.test_error_kinds import drawn_frames
from yolo_attn.statistics.bootstrap import picture_weights, score_resamples
from yolo_attn.statistics.outcomes import outcomes, outcomes_by_size, pooled
from yolo_attn.statistics.weighted_ap import WeightedAP
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Frame, Submission

PICTURES = 12
ONE = np.ones((1, PICTURES), int)


def official_frames(seed: int) -> list[Frame]:
    """Drawn frames with score-0 boxes and ignored regions."""
    generator, frames = np.random.default_rng(seed), []
    for frame in drawn_frames(seed):
        truth = frame.annotations.copy()
        truth[generator.random(len(truth)) < 0.15, 4] = 0
        region = np.array([[40.0, 40, 60, 50, 0, 0, 0, 0]])
        frames.append(replace(frame, annotations=np.concatenate([truth, region])))
    return frames


def scores(frames: list[Frame], weights: np.ndarray, official: bool):
    rows = pooled(frames, official)
    size = len(frames), len(NAMES), official
    return score_resamples(outcomes(rows, *size), outcomes_by_size(rows, *size), NAMES, weights)


@pytest.mark.parametrize("seed", range(4))
def test_with_all_weights_one_it_is_the_official_ap_to_1e_12(seed):
    frames = official_frames(seed)
    expected = evaluate_submission(Submission(tuple(frames), ()), details=True)
    table = scores(frames, ONE, official=True)
    found = dict(zip(table.names, table.whole, strict=True))
    assert found["metric", "AP"] == pytest.approx(expected.official["AP"], rel=0, abs=1e-12)
    assert found["metric", "AP50"] == pytest.approx(expected.official["AP50"], rel=0, abs=1e-12)
    by_class = {row["name"]: row["AP"] for row in expected.per_class}
    assert [found["class", name] for name in NAMES] == pytest.approx([*by_class.values()], abs=1e-12, nan_ok=True)
    by_size = {score.name: score.AP for score in expected.by_size}
    assert [found["size", name] for name in by_size] == pytest.approx([*by_size.values()], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_copies_of_pictures(seed):
    """The official evaluation of a set in which every picture stands as often as it was drawn."""
    frames = official_frames(seed)
    (weights,) = picture_weights(PICTURES, 1, seed)
    copies = [
        replace(frame, stem=f"{frame.stem}-{n}") for frame, w in zip(frames, weights, strict=True) for n in range(w)
    ]
    expected = evaluate_submission(Submission(tuple(copies), ()), details=True)
    table = scores(frames, weights[None], official=True)
    found = dict(zip(table.names, table.resampled[0], strict=True))
    assert found["metric", "AP"] == pytest.approx(expected.official["AP"], abs=1e-10)
    by_size = {score.name: score.AP for score in expected.by_size}
    assert [found["size", name] for name in by_size] == pytest.approx([*by_size.values()], abs=1e-10, nan_ok=True)


@pytest.mark.parametrize("copies", [1, 2])
def test_cocos_ap_is_that_of_pycocotools(copies):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    frames = [frame for frame in drawn_frames(1) for _ in range(copies)]
    boxes = [(n, row) for n, frame in enumerate(frames, 1) for row in frame.annotations]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": n} for n in range(1, len(frames) + 1)],
        "categories": [{"id": n} for n in range(1, 5)],
        "annotations": [
            {
                "id": n,
                "image_id": image,
                "category_id": int(row[5]),
                "bbox": row[:4].tolist(),
                "area": row[2] * row[3],
                "iscrowd": 0,
            }
            for n, (image, row) in enumerate(boxes, 1)
        ],
    }
    truth.createIndex()
    results = [[n, *row[:5], row[5]] for n, frame in enumerate(frames, 1) for row in frame.detections]
    judge = COCOeval(truth, truth.loadRes(np.array(results)), "bbox")
    judge.params.maxDets = [1, 10, 500]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]
    expected = 100 * np.mean(precision[precision > -1])
    # Two copies of each picture are a weight of two.
    weighted = WeightedAP(outcomes(pooled(drawn_frames(1), official=False), PICTURES, 4, official=False))
    found = weighted.mean(copies * ONE, weighted(copies * ONE)).mean()
    assert found == pytest.approx(expected, abs=1e-10)


def test_ap_of_a_weighted_set_by_hand():
    """Three pictures: a hit at 0.9 with weight 2, a false positive at 0.8 with weight 1, a hit at 0.7 with weight 3."""
    box, elsewhere = [10.0, 10, 20, 20], [60.0, 60, 20, 20]
    frames = [
        Frame("a", 99, 99, np.array([[*box, 1, 1, 0, 0]]), np.array([[*box, 0.9, 1, 0, 0]])),
        Frame("b", 99, 99, np.empty((0, 8)), np.array([[*elsewhere, 0.8, 1, 0, 0]])),
        Frame("c", 99, 99, np.array([[*box, 1, 1, 0, 0]]), np.array([[*box, 0.7, 1, 0, 0]])),
    ]
    weighted = WeightedAP(outcomes(pooled(frames, official=True), 3, 2, official=True))
    ap = weighted(np.array([[2, 1, 3], [0, 4, 1], [0, 5, 0]]))
    assert ap[0, 0] == pytest.approx(np.full(10, 100 * (2 / 5 * 1 + 3 / 5 * 5 / 6)))
    assert ap[1, 0] == pytest.approx(np.full(10, 100 * 1 / 5))
    assert np.isnan(ap[2, 0]).all()  # no box is drawn
    assert np.isnan(ap[:, 1]).all()  # a class without boxes


def test_resamples_are_the_same_for_every_run_and_hold_as_many_pictures():
    weights = picture_weights(30, 50)
    assert (weights == picture_weights(30, 50)).all()
    assert (weights.sum(1) == 30).all()
    assert len(np.unique(weights, axis=0)) == 50
