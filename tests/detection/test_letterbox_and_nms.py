"""What comes before and after the network: an image placed in the padded one, and raw outputs made boxes."""

from inspect import signature

import numpy as np
import pytest
import torch
from torchvision.ops import nms as reference_nms
from ultralytics.utils.nms import non_max_suppression

from yolo_attn.detection.letterbox import letterbox
from yolo_attn.detection.nms import MAX_CANDIDATES, decode, select, suppress
from yolo_attn.detection.presets import DetectionSettings


def test_suppression_looks_as_far_down_as_boxes_are_missing():
    # 5,000 boxes in 100 places, the places of falling score one after the other: 50 at a place, of which the best stays.
    places = np.repeat(np.arange(100), 50)
    boxes = np.stack([places * 20, places * 0, places * 20 + 10, places * 0 + 10], 1).astype(np.float32)
    scores = np.linspace(0.9, 0.1, 5000, dtype=np.float32)
    kept = suppress(boxes, scores, np.zeros(5000, np.int64), 0.5, 70)
    assert kept.tolist() == list(range(0, 70 * 50, 50))
    assert len(suppress(boxes, scores, np.zeros(5000, np.int64), 0.5, 300)) == 100


@pytest.mark.parametrize("seed", range(8))
def test_suppression_keeps_the_boxes_of_torchvision_also_with_equal_scores(seed):
    draws = np.random.default_rng(seed)
    clusters = draws.uniform(0, 600, (60, 2)).repeat(5, 0) + draws.normal(0, 4, (300, 2))
    halves = draws.uniform(3, 40, (60, 2)).repeat(5, 0) * draws.uniform(0.8, 1.2, (300, 2))
    boxes = np.concatenate([clusters - halves, clusters + halves], 1).astype(np.float32)
    scores, kinds = draws.random(300).astype(np.float32), draws.integers(0, 10, 60).repeat(5)
    scores[::7], boxes[1::9] = scores[0], boxes[1]
    apart = torch.from_numpy(boxes) + torch.from_numpy(kinds)[:, None] * 7680.0
    expected = reference_nms(apart, torch.from_numpy(scores), 0.7).tolist()
    assert len(expected) < 300
    for max_det in (1000, 20, 1):
        assert suppress(boxes, scores, kinds, 0.7, max_det).tolist() == expected[:max_det]


@pytest.mark.parametrize(
    ("size", "stride", "shape", "corner", "box"),
    [  # an image of 640 x 480 at half its size is 320 x 240; 16 rows are missing to 256, 80 to 320
        ((480, 640), 32, (256, 320), (8, 0), [20, 20, 40, 60]),
        ((480, 640), None, (320, 320), (40, 0), [20, 20, 40, 60]),
        ((640, 480), 32, (320, 256), (0, 8), [20, 20, 40, 60]),
    ],
)
def test_letterbox_places_the_image_in_the_middle_and_finds_boxes_again(size, stride, shape, corner, box):
    place = letterbox(size, (320, 320), stride)
    assert (place.shape, place.corner) == (shape, corner)
    padded = place.apply(np.full((*size, 3), 7, np.uint8))
    assert padded.shape == (*shape, 3)
    top, left = corner
    height, width = size[0] // 2, size[1] // 2
    picture = np.zeros(shape, bool)
    picture[top : top + height, left : left + width] = True
    assert (padded[picture] == 7).all() and (padded[~picture] == 114).all()
    on_padded = np.array(box, np.float32) / 2 + [corner[1], corner[0]] * 2
    np.testing.assert_allclose(place.undo(on_padded[None].astype(np.float32)), [box], atol=1e-4)


def test_an_odd_row_of_padding_goes_below_and_boxes_outside_are_clipped():
    place = letterbox((95, 100), (100, 100), None)
    assert (place.corner, place.shape) == ((2, 0), (100, 100))
    np.testing.assert_array_equal(place.undo(np.array([[-9.0, 0, 200, 99]], np.float32)), [[0, 0, 100, 95]])


def raw_output(*anchors) -> np.ndarray:
    """(centre x, centre y, width, height, score, ...) of each anchor -> (4 + classes, A)."""
    return np.array(anchors, np.float32).T


FAR_APART = raw_output((50, 50, 20, 10, 0.9, 0.25), (150, 50, 20, 10, 0.1, 0.5), (250, 50, 20, 10, 0.25, 0.1))


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_score_equal_to_conf_does_not_count(multi_label):
    detections = decode(FAR_APART, DetectionSettings(conf=0.25, multi_label=multi_label))
    assert (detections.scores.tolist(), detections.classes.tolist()) == ([np.float32(0.9), 0.5], [0, 1])
    np.testing.assert_array_equal(detections.boxes, [[40, 45, 60, 55], [140, 45, 160, 55]])
    just_below = DetectionSettings(conf=0.2499, multi_label=multi_label)
    assert len(decode(FAR_APART, just_below)) == (4 if multi_label else 3)


def test_several_classes_of_a_box_count_with_multi_label_only():
    both = DetectionSettings(conf=0.2, multi_label=True)
    assert decode(FAR_APART, both).classes.tolist() == [0, 1, 1, 0]
    assert decode(FAR_APART, DetectionSettings(conf=0.2)).classes.tolist() == [0, 1, 0]


@pytest.mark.parametrize("multi_label", [False, True])
def test_classes_that_are_not_looked_for_take_no_place_among_the_best(multi_label):
    wanted = DetectionSettings(conf=0.2, max_det=1, multi_label=multi_label, classes=(1,))
    detections = decode(FAR_APART, wanted)
    assert (detections.scores.tolist(), detections.classes.tolist()) == ([0.5], [1])
    assert len(decode(FAR_APART, DetectionSettings(conf=0.2, classes=()))) == 0


@pytest.mark.parametrize("iou", [0.32, 0.34])
def test_a_box_goes_if_it_overlaps_a_better_one_of_its_class_by_more_than_iou(iou):
    # Two boxes of 20 x 10 that share half: 100 / 300 is one third. The third lies like the second and has another class.
    output = raw_output((50, 50, 20, 10, 0.9, 0), (60, 50, 20, 10, 0.8, 0), (60, 50, 20, 10, 0, 0.7))
    assert decode(output, DetectionSettings(iou=iou)).classes.tolist() == ([0, 1] if iou < 1 / 3 else [0, 0, 1])


def test_as_many_candidates_are_looked_at_as_ultralytics_looks_at():
    assert signature(non_max_suppression).parameters["max_nms"].default == MAX_CANDIDATES


def test_of_too_many_candidates_the_best_stay():
    same, best = (50, 50, 20, 10, 0.5), (150, 50, 20, 10, 0.9)
    detections = decode(raw_output(*[same] * MAX_CANDIDATES, best), DetectionSettings())
    assert detections.scores.tolist() == [np.float32(0.9), 0.5]
    worst = (150, 50, 20, 10, 0.4)
    detections = decode(raw_output(worst, *[same] * MAX_CANDIDATES), DetectionSettings())
    assert detections.scores.tolist() == [0.5]


def test_boxes_that_need_no_nms_are_chosen_by_score_class_and_number():
    rows = np.array(
        [[0, 0, 9, 9, 0.9, 2], [0, 0, 9, 9, 0.8, 1], [1, 1, 8, 8, 0.5, 1], [2, 2, 7, 7, 0.25, 1]], np.float32
    )
    assert select(rows, DetectionSettings(conf=0.25)).scores.tolist() == [np.float32(0.9), np.float32(0.8), 0.5]
    chosen = select(rows, DetectionSettings(conf=0.25, classes=(1,), max_det=1))
    assert (chosen.scores.tolist(), chosen.classes.tolist()) == ([np.float32(0.8)], [1])
    np.testing.assert_array_equal(select(rows, DetectionSettings(conf=0.85)).boxes, [[0, 0, 9, 9]])
