"""Intervals and corrections by hand and by their formulas in the literature."""

import numpy as np
import pytest
from scipy import stats

from yolo_attn.statistics.corrections import false_discovery, holm
from yolo_attn.statistics.intervals import (
    BOTH,
    SEEDS,
    all_intervals,
    hierarchical_bootstrap,
    leading,
    over_pictures,
    over_seeds,
    over_seeds_and_pictures,
)


def test_the_interval_over_seeds_by_hand():
    """Mean 2, standard deviation 1, t(0.975, 2) = 4.302653: 2 ± 4.302653 / sqrt(3)."""
    interval = over_seeds(np.array([1.0, 2, 3]))
    assert (interval.low, interval.high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    assert interval.p == pytest.approx(0.0741799, abs=1e-6)  # t = 3.4641016 with 2 degrees of freedom


@pytest.mark.parametrize("differences", [[1.0], [2.0, 2.0], [0.0, 0.0, 0.0]])
def test_without_spread_there_is_no_interval_over_seeds(differences):
    assert over_seeds(np.array(differences)) is None


def test_without_any_spread_nothing_but_the_point_is_left():
    resampled = np.zeros((50, 3))
    assert over_seeds_and_pictures(np.zeros(3), resampled, 20) is None
    assert leading(all_intervals(np.zeros(3), resampled, 20)) is None


def test_pictures_that_do_not_matter_leave_the_interval_over_seeds():
    differences = np.array([0.3, 1.4, 0.9, 2.0])
    both = over_seeds_and_pictures(differences, np.tile(differences, (200, 1)), 1000)
    seeds = over_seeds(differences)
    assert (both.low, both.high, both.p) == pytest.approx((seeds.low, seeds.high, seeds.p))


def test_seeds_that_do_not_matter_leave_the_standard_error_over_pictures():
    resampled = np.tile(np.random.default_rng(0).normal(1.0, 0.5, (4000, 1)), (1, 3))
    both = over_seeds_and_pictures(np.full(3, 1.0), resampled, 501)
    half = stats.t.ppf(0.975, 500) * resampled[:, 0].std(ddof=1)
    assert (both.low, both.high) == pytest.approx((1 - half, 1 + half))


def test_noise_of_each_seed_on_each_picture_is_counted_once():
    """Pictures of a table of seeds and pictures without other effects: the variance of the mean is that of one cell / (S * P)."""
    generator, seeds, pictures = np.random.default_rng(1), 40, 40
    widths = []
    for _ in range(20):
        cells = generator.normal(0, 1, (seeds, pictures))
        weights = generator.multinomial(pictures, np.full(pictures, 1 / pictures), size=400)
        interval = over_seeds_and_pictures(cells.mean(1), weights @ cells.T / pictures, pictures)
        widths.append(interval.high - interval.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 / np.sqrt(seeds * pictures), rel=0.1)


def test_the_hierarchical_bootstrap_resamples_seeds_and_pictures():
    """Two seeds that differ by 0 and 2 whatever the pictures: their mean is 0, 1 or 2."""
    interval = hierarchical_bootstrap(np.tile([0.0, 2.0], (1000, 1)))
    assert (interval.low, interval.high, interval.p) == (0, 2, None)
    assert hierarchical_bootstrap(np.ones((1000, 1))) is None  # one seed


def test_resamples_in_which_a_class_is_absent_are_left_out():
    resampled = np.tile(np.arange(1.0, 101)[:, None], (1, 2))
    resampled[::2] = np.nan
    interval = over_pictures(resampled)
    assert (interval.low, interval.high) == pytest.approx(np.quantile(np.arange(2.0, 101, 2), [0.025, 0.975]))
    assert over_pictures(np.full((5, 2), np.nan)) is None


def test_the_interval_for_seeds_and_pictures_leads_where_there_are_resamples():
    differences = np.array([0.5, 1.0, 1.5])
    resampled = differences + np.random.default_rng(0).normal(0, 0.3, (100, 1))
    assert leading(all_intervals(differences, resampled, 100)).method == BOTH
    assert leading(all_intervals(differences, None, 0)).method == SEEDS
    assert leading(all_intervals(differences[:1], resampled[:, :1], 100)) is None


def test_holm_by_hand():
    """Sorted 0.01, 0.03, 0.04 times 3, 2, 1: 0.03, 0.06, and 0.04 raised to the one before."""
    assert holm([0.04, 0.01, None, 0.03]) == pytest.approx([0.06, 0.03, None, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_false_discovery_by_hand():
    """Sorted 0.01, 0.02, 0.5 times 3 / rank: 0.03, 0.03, 0.5."""
    assert false_discovery([0.5, None, 0.02, 0.01]) == pytest.approx([0.5, None, 0.03, 0.03])
