"""The sentence above the page."""

from typing import Any

import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment.comparison import Comparison, Statistics
from yolo_attn.experiment.report.answer import answer
from yolo_attn.experiment.summary import summarise


def compared(model: str, difference: float, half: float | None, p: float | None) -> Comparison:
    low, high = (None, None) if half is None else (difference - half, difference + half)
    seeds = (0,) if half is None else (0, 1, 2)
    same: dict[str, Any] = {"checkpoint": "last", "metric": "AP", "by_seed": (), "intervals": (), "p": p, "p_holm": p}
    return Comparison(
        model=model, seeds=seeds, difference=difference, method="seeds and pictures", low=low, high=high, **same
    )


def said(models: list[str], *comparisons: Comparison, runs: int = 3) -> str:
    statistics = Statistics(
        baseline=models[0],
        protocol="VisDrone",
        metric="AP",
        checkpoint="last",
        method="seeds and pictures",
        pictures=3,
        resamples=1000,
        level=0.95,
        comparisons=comparisons,
        parts=(),
        errors=(),
        changed_pictures=(),
        not_defined=(),
    )
    finished = [finished_run(models[0], seed, 10.0 + seed) for seed in range(runs)]
    return answer(models, summarise(models, finished)[0], statistics)


@pytest.mark.parametrize(
    ("difference", "p", "words"),
    [
        (1.0, 0.01, "Higher official AP than plain: ema +1.00 [+0.50, +1.50], 3 seeds"),
        (-1.0, 0.01, "Lower official AP than plain: ema -1.00 [-1.50, -0.50], 3 seeds"),
        (
            0.1,
            0.4,
            "No difference in official AP from plain that these seeds could detect: ema +0.10 [-0.40, +0.60], 3 seeds",
        ),
    ],
)
def test_one_other_model(difference, p, words):
    how = "(percentage points at the last epoch, 95 % intervals over seeds and pictures)."
    assert said(["plain", "ema"], compared("ema", difference, 0.5, p)) == f"{words} {how}"


def test_several_models_are_told_apart_by_holm():
    sentence = said(
        ["plain", "ema", "eca", "se"],
        compared("ema", 1.0, 0.5, 0.01),
        compared("eca", 0.6, 0.5, 0.2),
        compared("se", -2.0, 0.5, 0.02),
    )
    assert sentence.startswith("Higher official AP than plain: ema +1.00")
    assert "; lower official AP than plain: se -2.00" in sentence
    assert "; no difference in official AP from plain that these seeds could detect: eca +0.60" in sentence
    assert sentence.endswith("judged by p values that Holm's method adjusts for the number of models).")


def test_one_seed_is_too_few():
    assert said(["plain", "ema"], compared("ema", 1.0, None, None)) == (
        "Too few runs to tell chance from a difference in official AP: ema +1.00 without interval, 1 seed"
        " (percentage points at the last epoch)."
    )


def test_one_model_is_no_comparison():
    assert said(["plain"]) == (
        "One model was run, so there is no comparison: plain reached 11.00 ± 1.00 % official AP over 3 seeds."
    )


def test_nothing_in_common():
    assert said(["plain", "ema"]).startswith("No other model has a score and a seed in common with plain")


def test_nothing_finished():
    assert said(["plain", "ema"], runs=0).startswith("No run of the first model is finished with a score")
