"""Anchors that fit a data set, and how well given ones do."""

import numpy as np
import pytest

from yolo_attn.networks.anchors import best_possible_recall, fitted


def test_a_box_is_within_reach_of_an_anchor_up_to_a_factor_of_four_on_either_side():
    sizes = np.array([[10.0, 20.0]])
    boxes = np.array([[39.9, 20], [40.1, 20], [2.6, 20], [2.4, 20], [10, 79], [10, 81]], float)
    assert best_possible_recall(sizes, boxes) == pytest.approx(3 / 6)


def test_no_boxes_have_no_recall():
    assert np.isnan(best_possible_recall(np.ones((3, 2)), np.empty((0, 2))))


def test_clusters_of_boxes_become_the_anchors_smallest_first():
    rng = np.random.default_rng(0)
    centres = np.array([[8, 9], [15, 40], [60, 30], [120, 110], [40, 200], [300, 310]], float)
    boxes = np.concatenate([centre * rng.uniform(0.98, 1.02, (50, 2)) for centre in centres])
    found = fitted(rng.permutation(boxes), levels=2, anchors=3)
    expected = centres[np.argsort(centres.prod(1))].reshape(2, 3, 2)
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert best_possible_recall(found.reshape(-1, 2), boxes) == 1


def test_the_same_boxes_give_the_same_anchors():
    boxes = np.random.default_rng(1).uniform(4, 200, (300, 2))
    np.testing.assert_array_equal(fitted(boxes, 3), fitted(boxes, 3))


def test_too_few_different_boxes_are_refused():
    with pytest.raises(ValueError, match="2 different boxes of 2 pixels and more cannot give 9 anchors"):
        fitted(np.array([[5, 5], [5, 5], [6, 7], [1, 1]], float), levels=3)
