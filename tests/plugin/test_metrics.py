"""Matching and average precision of Ultralytics behind our own names, by hand calculation."""

import numpy as np
import pytest
import torch

from yolo_attn.plugin.metrics import THRESHOLDS, average_precision, match_predictions

SQUARE = [0.0, 0.0, 10.0, 10.0]


def test_a_box_counts_at_the_thresholds_up_to_its_overlap():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 7.3]])  # IoU 0.73 with the square
    hits = match_predictions(boxes, torch.tensor([2]), torch.tensor([SQUARE]), torch.tensor([2.0]))
    assert hits.tolist() == [[True] * 5 + [False] * 5]  # 0.5, 0.55, 0.6, 0.65, 0.7


def test_the_wrong_class_and_a_second_box_on_one_object_are_no_hits():
    boxes, classes = torch.tensor([SQUARE, SQUARE, SQUARE]), torch.tensor([1, 2, 2])
    hits = match_predictions(boxes, classes, torch.tensor([SQUARE]), torch.tensor([2.0]))
    assert hits.all(1).tolist() == [False, True, False]
    assert not hits[[0, 2]].any()


@pytest.mark.parametrize(("boxes", "truths"), [(0, 3), (3, 0), (0, 0)])
def test_an_image_without_boxes_or_objects_has_no_hits(boxes, truths):
    hits = match_predictions(torch.zeros(boxes, 4), torch.zeros(boxes), torch.zeros(truths, 4), torch.zeros(truths))
    assert hits.shape == (boxes, len(THRESHOLDS)) and not hits.any()


def test_average_precision_belongs_to_the_classes_with_objects():
    """Class 3: its one object is found at every threshold. Class 5: two objects, none found. Class 7: no object, one box."""
    hits = np.array([[True] * 10, [False] * 10])
    average, classes = average_precision(hits, np.array([0.9, 0.8]), np.array([3, 7]), np.array([3, 5, 5]))
    assert classes.tolist() == [3, 5]
    assert average.shape == (2, 10)
    assert average[0] == pytest.approx(0.995)  # Ultralytics' ceiling: the curve is sampled at 101 recalls
    assert average[1] == pytest.approx(0)


def test_a_hit_above_the_misses_scores_higher_than_one_below():
    hits, classes, truths = np.array([[True] * 10, [False] * 10, [False] * 10]), np.zeros(3), np.zeros(1)
    above, below = (
        average_precision(hits, np.array(scores), classes, truths)[0].mean()
        for scores in ([0.9, 0.5, 0.4], [0.3, 0.5, 0.4])
    )
    assert above == pytest.approx(0.995)
    assert below == pytest.approx(0.995 / 3, abs=0.01)  # precision 1/3 at full recall
