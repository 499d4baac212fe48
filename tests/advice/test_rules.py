"""The rules on either side of their limits, and on the two sets whose numbers PaddleDetection publishes."""

from dataclasses import replace

import pytest

from yolo_attn.advice.rules import advise
from yolo_attn.advice.sizes import AtSize, Sizes

LARGE = AtSize(640, 50.0, {8: 0.0, 16: 0.0, 32: 0.1})
SIZES = Sizes(
    pictures=10, background=0, unreadable=0, objects=100, width=2000, height=1500, longer_side=2000,
    side={50: 40.0}, relative_side={50: 0.02}, relative_box=0.03, at=(LARGE,),
)  # fmt: skip


def answers(**changes):
    return {entry.question: entry for entry in advise(replace(SIZES, **changes))}


def at(*shares, sizes=(640, 960, 1280)):
    """Objects of which these shares are below 8 pixels, and twice as many below 16."""
    return tuple(AtSize(size, 10.0, {8: s, 16: 2 * s, 32: 1.0}) for size, s in zip(sizes, shares, strict=False))


@pytest.mark.parametrize(
    ("shares", "size"),
    [((0.05, 0.02, 0.01), 640), ((0.10, 0.02, 0.01), 640), ((0.101, 0.02, 0.01), 960), ((0.5, 0.3, 0.2), 1280)],
    ids=["few", "just as many as allowed", "one step more", "too many everywhere"],
)
def test_the_smallest_size_that_loses_few_objects_is_advised(shares, size):
    advice = answers(at=at(*shares))["image size"]
    assert advice.answer == f"imgsz={size}"
    assert ("no size that was looked at does better" in advice.reason) == (shares == (0.5, 0.3, 0.2))


def test_the_reason_names_the_share_at_the_next_smaller_size():
    assert (
        answers(at=at(0.3, 0.06))["image size"].reason == "6.0 % of the objects are below 8 pixels at 960, 30 % at 640"
    )


def test_enlarging_the_pictures_is_said():
    assert (
        "this enlarges pictures, whose longer side is 800"
        in answers(at=at(0.3, 0.06), longer_side=800)["image size"].reason
    )


@pytest.mark.parametrize(("below_16", "wanted"), [(0.25, False), (0.26, True)])
def test_a_p2_head_is_advised_where_many_objects_are_tiny_at_the_advised_size(below_16, wanted):
    chosen, smaller = AtSize(960, 20.0, {8: 0.0, 16: below_16, 32: 0.5}), AtSize(640, 9.0, {8: 0.4, 16: 0.9, 32: 1.0})
    advice = answers(at=(smaller, chosen))["P2 head"]
    assert advice.answer.startswith("yes" if wanted else "no")
    assert "at 960" in advice.reason


@pytest.mark.parametrize(
    ("width", "height", "box", "wanted"),
    [
        (
            2304.4,
            2180.9,
            (0.03799 + 0.04075) / 2,
            True,
        ),  # DOTA-v1, as PaddleDetection's guide prints it, and which it tiles
        (1500, 1500, 0.03, False),
        (1502, 1500, 0.03, True),
        (3000, 2000, 0.04, False),
    ],
    ids=["DOTA-v1", "just as large", "larger", "objects just too large"],
)
def test_tiles_are_worth_a_trial_for_small_objects_in_large_pictures(width, height, box, wanted):
    advice = answers(width=width, height=height, relative_box=box)["tiles"]
    assert advice.answer.startswith("worth a trial" if wanted else "no")


def test_every_advice_names_its_rule_and_its_source():
    for entry in answers().values():
        assert "https://github.com/PaddlePaddle/PaddleDetection" in entry.source
        assert entry.rule and entry.reason
