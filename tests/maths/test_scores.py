"""Scores of end points, and intervals of their means."""

import numpy as np
import pytest

from lipschitz.maths.scores import interval_of_mean


def test_the_interval_of_a_mean_is_near_that_of_the_central_limit_theorem():
    scores = np.random.default_rng(1).normal(5, 1, 400)
    error = 1.959964 * scores.std() / np.sqrt(len(scores))
    assert interval_of_mean(scores, 0.95) == pytest.approx(
        (scores.mean() - error, scores.mean() + error), abs=0.1 * error
    )


def test_it_leaves_out_infinite_scores_and_is_none_for_few():
    scores = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert interval_of_mean([*scores, np.inf], 0.95) == interval_of_mean(scores, 0.95)
    assert interval_of_mean([*scores[:4], np.inf], 0.95) is None
    assert interval_of_mean([2.0] * 5, 0.95) == (2.0, 2.0)
    low, high = interval_of_mean([2.0, 2.0, 2.0, 2.0, np.nextafter(2, 3)], 0.95)
    assert (low, high) == pytest.approx((2, 2))


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_it_has_the_unit_of_the_scores(unit):
    scores = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    expected = np.array(interval_of_mean(scores, 0.95))
    assert interval_of_mean(scores * unit, 0.95) == pytest.approx(tuple(expected * unit), rel=1e-9)
