"""Chance: the binomial tail of scipy.stats, and what follows from it."""

import pytest
from scipy.stats import binom, binomtest

from lipschitz.maths.chance import at_least, is_better, is_guessing, sign_test


@pytest.mark.parametrize(("successes", "trials", "p"), [(0, 5, 0.1), (3, 5, 0.5), (70, 100, 0.6)])
def test_the_tail_is_that_of_the_binomial_distribution(successes, trials, p):
    expected = binom.sf(successes - 1, trials, p)
    assert at_least(successes, trials, p) == pytest.approx(expected, rel=1e-12)


def test_guessing_gets_a_tenth_of_ten_classes_right():
    assert is_guessing(1, 200, 10)
    assert is_guessing(24, 200, 10)
    assert not is_guessing(60, 200, 10)
    assert not is_guessing(1, 3, 10)  # too few to tell


def test_a_difference_is_none_if_a_coin_gives_it():
    assert is_better(20, 2)
    assert not is_better(6, 3)
    assert not is_better(0, 0)


@pytest.mark.parametrize(("higher", "lower"), [(9, 1), (1, 9), (6, 5), (5, 5), (0, 3)])
def test_the_sign_test_is_that_of_a_fair_coin(higher, lower):
    assert sign_test(higher, lower) == pytest.approx(binomtest(higher, higher + lower).pvalue)


def test_the_sign_test_of_no_difference_is_one():
    assert sign_test(0, 0) == 1
