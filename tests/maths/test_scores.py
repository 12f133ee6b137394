"""Scores of end points, and intervals of their means and of mean differences."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import RATIO, two_networks
from lipschitz.maths.scores import (
    RESAMPLES,
    expanded_level,
    interval_of_difference,
    interval_of_mean,
    means_without_each,
)

TRIALS = 3000  # of 95 % to 0.4 %
INTERVALS = interval_of_mean, interval_of_difference


def of_student(values, level):
    """The t interval of a mean, by SciPy."""
    return stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))


def test_the_interval_of_a_mean_is_near_that_of_the_central_limit_theorem():
    scores = np.random.default_rng(1).normal(5, 1, 400)
    error = 1.959964 * scores.std() / np.sqrt(len(scores))
    assert interval_of_mean(scores, 0.95) == pytest.approx(
        (scores.mean() - error, scores.mean() + error), abs=0.1 * error
    )


def test_that_of_few_scores_is_as_wide_as_student_s():
    scores = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    low, high = interval_of_mean(scores, 0.95)
    expected_low, expected_high = of_student(scores, 0.95)
    assert high - low == pytest.approx(expected_high - expected_low, rel=0.06)


def test_that_of_skewed_scores_reaches_farther_up():
    scores = np.array([1.0, 1, 1, 2, 2, 3, 4, 6, 9, 15])
    low, high = interval_of_mean(scores, 0.95)
    assert high - scores.mean() > 1.3 * (scores.mean() - low)


def test_it_is_scipy_s_at_an_expanded_level():
    scores = np.sort(np.random.default_rng(2).lognormal(0, 0.5, 200))
    level = expanded_level(0.95, len(scores))
    rng = np.random.default_rng(0)
    of_scipy = stats.bootstrap(
        [scores], np.mean, confidence_level=level, n_resamples=RESAMPLES, batch=500, rng=rng
    )
    expected = of_scipy.confidence_interval
    assert interval_of_mean(scores, 0.95) == pytest.approx(expected, rel=1e-12)


def test_means_without_each_value_leave_out_one_after_the_other():
    assert means_without_each(np.array([1.0, 2.0, 6.0])).tolist() == [4.0, 3.5, 1.5]


@pytest.mark.parametrize("n", [5, 10, 100])
def test_the_expanded_level_is_hesterberg_s(n):
    tail = stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    assert expanded_level(0.95, n) == pytest.approx(1 - 2 * tail)


def test_at_a_level_that_few_resamples_cannot_tell_the_interval_is_finite():
    low, high = interval_of_mean([1.0, 2.0, 3.0, 4.0, 5.0], 0.99999)
    assert 1 <= low < high <= 5


def test_the_interval_of_a_difference_is_student_s():
    differences = np.random.default_rng(1).normal(-0.1, 1, 12)
    assert interval_of_difference(differences, 0.9) == pytest.approx(of_student(differences, 0.9))


@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("hardness", ["gamma, shape 8", "log-normal, 0.4"])
def test_the_interval_of_a_difference_covers_it(hardness, n):
    """Of two networks with scores like those of the digits."""
    rng = np.random.default_rng(n)
    covers = 0
    for _ in range(TRIALS):
        first, second = two_networks(rng, hardness, 0.3, n)
        low, high = interval_of_difference(second - first, 0.95)
        covers += low <= RATIO - 1 <= high
    assert 0.93 <= covers / TRIALS <= 0.97


@pytest.mark.parametrize("interval", INTERVALS)
def test_it_leaves_out_infinite_values_and_is_none_for_few(interval):
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert interval([*values, np.inf], 0.95) == interval(values, 0.95)
    assert interval([*values[:4], np.inf], 0.95) is None


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("value", [2.0, -0.1, 0.0])
def test_equal_values_have_an_interval_of_zero_width(interval, value):
    assert interval([value] * 7, 0.95) == (value, value)


def test_nearly_equal_values_count_as_equal():
    low, high = interval_of_mean([2.0, 2.0, 2.0, 2.0, np.nextafter(2, 3)], 0.95)
    assert (low, high) == pytest.approx((2, 2))


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_it_has_the_unit_of_the_values(interval, unit):
    values = np.array([-1.0, 2.0, 3.0, 4.0, 5.0])
    expected = np.array(interval(values, 0.95)) * unit
    assert interval(values * unit, 0.95) == pytest.approx(tuple(expected), rel=1e-9)
