"""Kinds of errors against the reference implementation, and by hand."""

import matplotlib
import numpy as np
import pytest
import tidecv

from yolo_attn.statistics.error_kinds import KINDS, find_kinds
from yolo_attn.statistics.outcomes import pooled
from yolo_attn.visdrone.evaluation.submission import Frame

SHORT = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")  # tidecv's names in the order of KINDS


@pytest.fixture(autouse=True)
def own_style():
    """Keep to these tests what tidecv changes in the style of every plot of the process."""
    with matplotlib.rc_context():
        yield


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


def row(left, top, width, height, score, category):
    return [left, top, width, height, score, category, 0, 0]


def test_kinds_under_the_official_protocol_by_hand():
    """One of each kind; a detection in a score-0 box is no error, and that box is not missed."""
    truth = np.array(
        [
            row(0, 0, 10, 10, 1, 1),  # hit, and a duplicate of it
            row(50, 0, 10, 10, 1, 1),  # at IoU 1 / 3: localisation
            row(100, 0, 10, 10, 1, 2),  # found as class 1: class
            row(150, 0, 10, 10, 1, 2),  # at IoU 1 / 3 as class 1: both
            row(200, 0, 10, 10, 1, 3),  # missed
            row(300, 0, 40, 40, 0, 1),  # score 0
        ]
    )
    detections = np.array(
        [
            row(0, 0, 10, 10, 0.9, 1),
            row(0, 0, 10, 10, 0.8, 1),
            row(55, 0, 10, 10, 0.7, 1),
            row(100, 0, 10, 10, 0.6, 1),
            row(155, 0, 10, 10, 0.5, 1),
            row(250, 0, 10, 10, 0.4, 1),
            row(310, 10, 10, 10, 0.3, 1),
        ]
    )
    frames = [Frame("a", 400, 400, truth, detections)]
    found = find_kinds(pooled(frames, official=True), 1, 10, official=True)
    counts = {kind.kind: kind.count for kind in found.kinds}
    # The box of the "both" is missed too: no localisation or class error points at it.
    assert counts == {"class": 1, "localisation": 1, "both": 1, "duplicate": 1, "background": 1, "missed": 2}
    # Class 1 has a hit at rank 1 of 3 boxes, the score-0 box among them; classes 2 and 3 none: (100 / 3 + 0 + 0) / 3.
    assert pytest.approx(100 / 9) == found.AP50
    gains = {kind.kind: kind.dAP for kind in found.kinds}
    # Mended, the localisation error is a second hit at rank 3: 1 / 3 + 2 / 9 for class 1.
    assert gains["localisation"] == pytest.approx(100 * (1 / 3 + 2 / 3 / 3) / 3 - 100 / 9)
    # The class error becomes a hit of class 2 at rank 1 of 2 boxes.
    assert gains["class"] == pytest.approx(100 * (1 / 3 + 1 / 2) / 3 - 100 / 9)
    # Without its missed box class 3 is in no mean, and class 2 has one box fewer and still no hit.
    assert gains["missed"] == pytest.approx(100 * (1 / 3 + 0) / 2 - 100 / 9)
    assert gains["duplicate"] == gains["background"] == gains["both"] == 0  # they stand behind the only hit


def test_without_detections_every_box_is_missed():
    frames = [Frame("a", 99, 99, np.array([row(0, 0, 10, 10, 1, 1)]), np.empty((0, 8)))]
    found = find_kinds(pooled(frames, official=True), 1, 10, official=True)
    assert [kind.count for kind in found.kinds] == [0, 0, 0, 0, 0, 1]
    assert found.AP50 == 0
