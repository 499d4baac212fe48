"""The AP of drawn images is that of the protocol on copies of them."""

import math

import numpy as np
import pytest

from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.resampled import match
from yolo_attn.visdrone.evaluation.submission import Frame, Submission


def frame(generator: np.random.Generator, number: int) -> Frame:
    """Boxes of three classes, some with score 0, an ignored region, and detections near to some of them."""
    truth = np.column_stack(
        [
            generator.integers(0, 80, (12, 2)),
            generator.integers(8, 30, (12, 2)),
            generator.integers(0, 5, (12, 1)) > 0,
            generator.integers(1, 4, (12, 1)),
            np.zeros((12, 2)),
        ]
    ).astype(float)
    region = np.array([[0, 0, 30, 30, 0, 0, 0, 0]], float)
    near = truth[generator.integers(0, 12, 15)]
    near[:, :4] += generator.normal(0, 2, (15, 4))
    near[:, 4] = np.sort(generator.random(15))[::-1]
    return Frame(str(number), 120, 120, np.concatenate([region, truth]), near)


@pytest.mark.parametrize("drawn", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 3, 5, 5], [2], [1, 4]])
def test_drawn_images_score_as_their_copies(drawn):
    generator = np.random.default_rng(0)
    frames = [frame(generator, number) for number in range(6)]
    expected = evaluate_submission(Submission(tuple(frames[number] for number in drawn), ())).official["AP"]
    assert 1 < expected < 99
    assert match(frames).ap(np.array(drawn)) == pytest.approx(expected, abs=1e-9)


def test_images_without_ground_truth_have_no_score():
    assert math.isnan(match([Frame("0", 9, 9, np.zeros((0, 8)), np.zeros((0, 8)))]).ap(np.array([0])))
