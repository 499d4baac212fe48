"""Kinds of errors against the reference implementation, and by hand."""

import numpy as np
import pytest
import tidecv

from yolo_attn.statistics.error_kinds import KINDS, find_kinds
from yolo_attn.statistics.outcomes import pooled
from yolo_attn.visdrone.evaluation.submission import Frame

SHORT = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")  # tidecv's names in the order of KINDS


def drawn_frames(seed: int, pictures: int = 12, classes: int = 4) -> list[Frame]:
    """Boxes, and detections of them that are moved, of other classes, doubled or of nothing; a class without boxes."""
    generator, frames = np.random.default_rng(seed), []
    for number in range(pictures):
        count = int(generator.integers(0, 9))
        truth = np.ones((count, 8))
        truth[:, :2], truth[:, 2:4] = generator.uniform(0, 150, (count, 2)), generator.uniform(10, 60, (count, 2))
        truth[:, 5] = generator.integers(1, classes, count)
        repeated = truth[generator.integers(0, count, 3 * count)] if count else truth
        moved = repeated.copy()
        moved[:, :4] += generator.normal(0, 0.2, (len(moved), 4)) * np.tile(moved[:, 2:4], 2)
        moved[generator.random(len(moved)) < 0.3, 5] = generator.integers(1, classes + 1)
        nothing = np.column_stack(
            [generator.uniform(200, 300, (3, 2)), generator.uniform(5, 20, (3, 2)), np.ones((3, 4))]
        )
        detections = np.concatenate([moved, nothing])
        detections[:, 2:4] = detections[:, 2:4].clip(1)
        detections[:, 4] = generator.random(len(detections))
        if number == 3:
            detections = detections[:0]
        frames.append(Frame(str(number), 400, 400, truth, detections))
    return frames


def reference(frames: list[Frame]) -> tuple[float, dict, dict, dict]:
    """AP, counts, gains and special gains by tidecv."""
    truth, detections = tidecv.Data("truth", max_dets=500), tidecv.Data("detections", max_dets=500)
    for number, frame in enumerate(frames):
        truth.add_image(number, frame.stem)
        for row in frame.annotations:
            truth.add_ground_truth(number, int(row[5]), box=row[:4].tolist())
        for row in frame.detections:
            detections.add_detection(number, int(row[5]), row[4], box=row[:4].tolist())
    for category in range(1, 5):
        truth.add_class(category, str(category))
    run = tidecv.TIDE().evaluate(truth, detections, mode=tidecv.TIDE.BOX)
    counts = {kind.short_name: count for kind, count in run.count_errors().items()}
    gains = {kind.short_name: gain for kind, gain in run.fix_main_errors().items()}
    special = {kind.short_name: gain for kind, gain in run.fix_special_errors().items()}
    return run.ap, counts, gains, special


@pytest.mark.parametrize("seed", range(8))
def test_counts_and_gains_are_those_of_tidecv(seed):
    frames = drawn_frames(seed)
    ap, counts, gains, special = reference(frames)
    found = find_kinds(pooled(frames, official=False), len(frames), 4, official=False)
    assert tuple(kind.kind for kind in found.kinds) == KINDS
    assert [kind.count for kind in found.kinds] == [counts[name] for name in SHORT]
    assert min(counts.values()) > 0 or seed  # the first drawing has every kind
    assert pytest.approx(ap, abs=1e-6) == found.AP50
    assert [kind.dAP for kind in found.kinds] == pytest.approx([gains[name] for name in SHORT], abs=1e-6)
    assert found.false_positives_dAP == pytest.approx(special["FalsePos"], abs=1e-6)
    assert found.false_negatives_dAP == pytest.approx(special["FalseNeg"], abs=1e-6)
