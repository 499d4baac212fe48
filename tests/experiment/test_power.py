"""The difference that a paired t-test detects, against published values, simulation, and the definition of a level."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from yolo_attn.experiment.power import detectable_difference, paired_deviation, power


@pytest.mark.parametrize(
    ("pairs", "difference", "expected"),
    [(10, 1.0, 0.803), (34, 0.5, 0.808)],  # the customary sizes of a paired design for large and medium effects
)
def test_customary_sample_sizes_have_their_power(pairs, difference, expected):
    assert power(pairs, difference) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_without_a_difference_the_power_is_the_level(alpha):
    assert power(7, 0.0, alpha) == pytest.approx(alpha, abs=1e-9)


@pytest.mark.parametrize(("pairs", "alpha"), [(3, 0.05), (5, 0.05), (5, 0.01)])
def test_simulated_seeds_detect_that_difference_four_times_in_five(pairs, alpha):
    generator, rounds = np.random.default_rng(pairs), 40_000
    baseline = generator.normal(30, 2, (rounds, pairs))
    shift = detectable_difference(pairs, 0.7, alpha=alpha)
    model = baseline + generator.normal(shift, 0.7, (rounds, pairs))
    found = (ttest_rel(model, baseline, axis=1).pvalue < alpha).mean()
    assert found == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / rounds))


def test_the_difference_has_the_unit_of_the_deviation_and_shrinks_with_seeds():
    assert detectable_difference(5, 0.3) == pytest.approx(0.3 * detectable_difference(5))
    by_seeds = [detectable_difference(pairs) for pairs in range(2, 30)]
    assert by_seeds == sorted(by_seeds, reverse=True)


def test_one_pair_detects_nothing():
    assert detectable_difference(1) is None


def test_deviations_are_pooled_over_models():
    baseline = {0: 10.0, 1: 12.0, 2: 11.0}
    first = {0: 11.0, 1: 12.0, 2: 10.0}  # differences 1, 0, -1: squares 2, freedom 2
    second = {0: 13.0, 1: 12.0, 5: 99.0}  # differences 3, 0: squares 4.5, freedom 1; seed 5 has no partner
    assert paired_deviation([first, second], baseline) == pytest.approx(math.sqrt(6.5 / 3))


def test_a_single_pair_has_no_deviation():
    assert paired_deviation([{0: 11.0}], {0: 10.0}) is None
