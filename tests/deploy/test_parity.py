"""Raw outputs are compared by what they mean: pixels, probabilities, and shares of the largest value; expected values by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from ultralytics.nn.modules.head import Detect, Pose

from yolo_attn.deploy.parity import Comparison, Difference, ParityError, Tolerance, compare, strength

TOLERANCE = Tolerance(pixels=0.5, probability=0.01, logit=0.1, relative=0.001)
IMAGES = torch.zeros(1, 3, 32, 32)


class Network(nn.Module):
    """A model that answers any image with the same output."""

    def __init__(self, head: nn.Module, output: np.ndarray):
        super().__init__()
        self.model = nn.ModuleList([head])
        self.output = torch.tensor(output)

    def forward(self, _images: torch.Tensor) -> torch.Tensor:
        return self.output


def differences(head: nn.Module, expected: np.ndarray, given: np.ndarray) -> dict[str, Difference]:
    found = compare(Network(head, expected), lambda _images: [given], IMAGES, TOLERANCE)
    return {difference.kind: difference for difference in found}


def boxes_and_scores() -> np.ndarray:
    """(1, 4 + 2 classes, 3 anchors)."""
    output = np.zeros((1, 6, 3))
    output[0, :4] = 16.0
    output[0, 4:] = 0.5
    return output


def test_boxes_are_compared_in_pixels():
    given = boxes_and_scores()
    given[0, 2, 1] += 0.25
    found = differences(Detect(2, ch=(16,)), boxes_and_scores(), given)
    assert (found["boxes"].largest, found["boxes"].allowed, found["boxes"].share) == (0.25, 0.5, 0.5)
    assert found["scores"].largest == 0


@pytest.mark.parametrize(
    ("score", "allowed"), [(0.5, 0.01 + 0.1 * 0.25), (0.1, 0.01 + 0.1 * 0.09), (0.0, 0.01), (1.0, 0.01)]
)
def test_scores_may_differ_by_a_constant_and_by_what_a_logit_may(score, allowed):
    expected, given = boxes_and_scores(), boxes_and_scores()
    expected[0, 5, 2], given[0, 5, 2] = score, abs(score - 0.007)
    found = differences(Detect(2, ch=(16,)), expected, given)["scores"]
    assert found.largest == pytest.approx(0.007) and found.allowed == pytest.approx(allowed)


def test_the_difference_that_uses_up_most_is_reported_not_the_largest():
    expected, given = boxes_and_scores(), boxes_and_scores()
    expected[0, 4, 0] = 0.0
    given[0, 4, 0] = 0.012  # 1.2 of 0.01
    given[0, 4, 1] = 0.5 + 0.02  # 0.57 of 0.035
    found = differences(Detect(2, ch=(16,)), expected, given)["scores"]
    assert found.share == pytest.approx(1.2) and found.largest == pytest.approx(0.012)


def test_keypoints_are_pixels_and_their_visibilities_scores():
    expected = np.concatenate([boxes_and_scores(), np.full((1, 6, 3), 0.5)], 1)  # two points of x, y, visible
    given = expected.copy()
    given[0, 6 + 1, 0] += 0.1  # y of the first
    given[0, 6 + 5, 0] += 0.02  # whether the second is visible
    found = differences(Pose(2, (2, 3), ch=(16,)), expected, given)
    assert found["keypoints"].largest == pytest.approx(0.1) and found["keypoints"].allowed == 0.5
    assert found["visibilities"].largest == pytest.approx(0.02)
    assert found["visibilities"].allowed == pytest.approx(0.035)


def test_probabilities_of_a_classifier_are_scores():
    found = differences(nn.Identity(), np.array([[0.5, 0.5]]), np.array([[0.51, 0.49]]))
    assert found["scores"].allowed == pytest.approx(0.035)


def test_what_is_neither_is_compared_with_its_largest_value():
    expected = np.full((1, 2, 4, 4), 8.0)
    found = differences(nn.Identity(), expected, expected + 0.004)["outputs"]
    assert found.share == pytest.approx(0.5)  # 0.004 of 8 * 0.001


def picked(*rows: tuple) -> np.ndarray:
    return np.array([rows], dtype=float)


PICKED = picked((0, 0, 9, 9, 0.9, 1), (5, 5, 9, 9, 0.8, 0), (1, 1, 2, 2, 0.1, 0))


def end_to_end() -> Detect:
    head = Detect(2, end2end=True, ch=(16,))
    head.end2end = True
    return head


@pytest.mark.parametrize(
    ("given", "boxes", "scores"),
    [
        (PICKED[:, [1, 0, 2]], 0, 0),  # another order
        (picked((0, 0, 9.25, 9, 0.9, 1), (5, 5, 9, 9, 0.8, 0), (1, 1, 2, 2, 0.1, 0)), 0.25, 0),
        (picked((0, 0, 9, 9, 0.9, 1), (5, 5, 9, 9, 0.79, 0), (1, 1, 2, 2, 0.1, 0)), 0, 0.01),
        (
            picked((0, 0, 9, 9, 0.9, 1), (5, 5, 9, 9, 0.8, 0), (7, 7, 8, 8, 0.1, 1)),
            0,
            0,
        ),  # the last, where the list is cut
        (picked((0, 0, 9, 9, 0.9, 1), (5, 5, 9, 13, 0.7, 0), (1, 1, 2, 2, 0.1, 0)), 4, 0.1),  # none is near
    ],
)
def test_picked_boxes_are_compared_with_the_nearest_of_their_class(given, boxes, scores):
    found = differences(end_to_end(), PICKED, given)
    assert found["boxes"].largest == pytest.approx(boxes)
    assert found["scores"].largest == pytest.approx(scores)


def test_picked_boxes_of_another_class_are_refused():
    given = PICKED.copy()
    given[0, :, 5] = 0
    with pytest.raises(ParityError, match="boxes of other classes"):
        differences(end_to_end(), PICKED, given)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_never_pass(value):
    right, wrong = boxes_and_scores(), boxes_and_scores()
    wrong[0, 4, 0] = value
    for expected, given, whose in ((right, wrong, "the file"), (wrong, right, "torch"), (wrong, wrong, "torch")):
        with pytest.raises(ParityError, match=f"1 of 18 outputs of {whose} are not finite"):
            differences(Detect(2, ch=(16,)), expected, given)


def test_another_shape_is_refused():
    with pytest.raises(ParityError, match=r"shape \(1, 6, 2\), where torch gives \(1, 6, 3\)"):
        differences(Detect(2, ch=(16,)), boxes_and_scores(), boxes_and_scores()[..., :2])


def test_the_worst_difference_is_the_one_with_the_largest_share():
    small, large = Difference("boxes", 0.01, 0.005, " px"), Difference("scores", 0.1, 1.0, "")
    assert Comparison((1, 3, 32, 32), 1.0, (large, small), None).worst is small
    assert str(small) == "boxes differ from torch by 1.0e-02 px, allowed are 5.0e-03 px"


def test_images_are_made_stronger_until_the_scores_depend_on_them():
    class Faint(nn.Module):
        """Scores whose logit is a bias and a millionth of the image's mean."""

        def __init__(self):
            super().__init__()
            self.model = nn.ModuleList([nn.Identity()])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(images.double().mean((2, 3)) * 1e-6 - 5)

    assert strength(Faint(), (1, 3, 32, 32)) == 1e7  # the mean is about 0.5: 1e6 gives 0.5 logits, 1e7 gives 5
