"""The intervals against profiles by scipy's simplex, known end points and scipy's Gumbel fit."""

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, gumbel_r

from benchmarks.coverage import of_runs, of_shape
from lipschitz.maths.interval import intervals
from lipschitz.maths.weibull import SHAPE_REG, Fit, fit
from tests.helpers import GOLDEN
from tests.maths.test_weibull import objective, rescaled

LIMIT = chi2.ppf(0.95, 1)
NEXT_TO_ZERO, FAR_AWAY = 1e-12, 1e9


def golden(folder, key="G2_max"):
    return [loadmat(path, squeeze_me=True)[key] for path in sorted((GOLDEN / folder).glob("*.mat"))]


def made_up():
    """Reverse Weibull maxima of many shapes, and what has no end, a sharp one, ties."""
    rng = np.random.default_rng(20)
    weibull = [9 - rng.weibull(k, n) for k in (1.2, 2, 4, 9, 40) for n in (10, 60)]
    other = [
        rng.gumbel(3, 1, 40),
        rng.gumbel(3, 1, 300),
        rng.uniform(2, 3, 30),
        rng.beta(5, 2, 80),
        5 - rng.exponential(1, 12),
        np.round(5 - rng.weibull(3, 60), 1),
        np.r_[5 - rng.weibull(2, 20), 9 - rng.weibull(4, 20)],
        1 + 1e-9 * rng.normal(size=50),
    ]
    return weibull + other


def arrays():
    """(maxima, weight of the penalty) of 50 arrays and more."""
    cases = [(x, SHAPE_REG) for x in made_up() + golden("l2/mnist_2-layer", "G1_max")]
    cases += [(x, SHAPE_REG) for x in golden("synthetic/mnist_synthetic")[::3]]
    cases += [(x, reg) for x in made_up()[::3] for reg in (0.0, 1e-5, 1.0)]
    return cases


def profile(z, t, reg):
    """The least objective with the end t above the maximum, over shape >= 1 and scale."""
    shape = max(1.0, 1.28 / np.log(z + t).std())
    run = minimize(
        lambda p: objective(z, np.exp(p[0]), -t, np.exp(p[1]), reg),
        (np.log(shape), np.log(z + t).mean() + 0.58 / shape),
        method="Nelder-Mead",
        bounds=[(0, None), (None, None)],
        options={"xatol": 1e-7, "fatol": 1e-9},
    )
    return run.fun


def ends(x, fitted, reg):
    """Low and high, by roots of the profile that scipy finds."""
    top, extent, z = x.max(), np.ptp(x), rescaled(x)
    t = (fitted.end_point - top) / extent
    least = objective(z, fitted.shape, -t, fitted.scale / extent, reg)

    def excess(log_t):
        return 2 * (profile(z, np.exp(log_t), reg) - least) - LIMIT

    def end(outermost):
        if excess(np.log(outermost)) <= 0:
            return {NEXT_TO_ZERO: 0, FAR_AWAY: np.inf}[outermost]
        return np.exp(brentq(excess, np.log(t), np.log(outermost), xtol=1e-6))

    return top + extent * end(NEXT_TO_ZERO), top + extent * end(FAR_AWAY)


@pytest.mark.parametrize(
    "cases", [slice(4, None, 11), pytest.param(slice(None), marks=pytest.mark.slow)]
)
def test_ends_are_those_of_a_profile_by_scipy(cases):
    compared = 0
    for x, reg in arrays()[cases]:
        (fitted,) = fits = fit([x], reg)
        (found,) = intervals([x], fits, reg)
        if found is not None:
            compared += 1
            with np.errstate(all="ignore"):
                low, high = ends(x, fitted, reg)
            assert found.low == pytest.approx(low, rel=1e-4)
            assert found.high == pytest.approx(high, rel=1e-4)
            # of the distance to the maximum too, as far as the digits of x go
            assert found.low - x.max() == pytest.approx(
                low - x.max(), rel=1e-3, abs=1e-5 * np.ptp(x)
            )
            assert found.high - x.max() == pytest.approx(high - x.max(), rel=1e-3)
    assert compared >= (50 if cases == slice(None) else 4)


def plain_minimum(z):
    """The least -sum log pdf over shapes >= 1, ends and scales, of runs from several ends."""
    runs = [
        minimize(
            lambda p: objective(z, np.exp(p[0]), -np.exp(p[1]), np.exp(p[2]), 0.0),
            (max(0.0, -np.log(np.log(z + t).std())), np.log(t), np.log(t + 0.6)),
            method="Nelder-Mead",
            bounds=[(0, 12), (np.log(NEXT_TO_ZERO), np.log(FAR_AWAY)), (None, None)],
            options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 2000},
        )
        for t in (0.01, 0.3, 3.0)
    ]
    return min(run.fun for run in runs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("reg", "cases"),
    [
        (SHAPE_REG, slice(1, None, 4)),
        pytest.param(SHAPE_REG, slice(None), marks=pytest.mark.slow),
        pytest.param(0.0, slice(None), marks=pytest.mark.slow),
    ],
)
def test_data_bound_the_end_if_gumbel_maxima_are_much_less_likely(reg, cases):
    samples = (made_up() + golden("l2/mnist_2-layer")[:6])[cases]
    fits = fit(samples, reg)
    found = intervals(samples, fits, reg)
    compared = [(x, each) for x, each in zip(samples, found, strict=True) if each is not None]
    assert len(compared) >= 0.7 * len(samples)
    for x, each in compared:
        z = rescaled(x)
        gumbel = -gumbel_r.logpdf(-z, *gumbel_r.fit(-z)).sum()
        assert each.bounded == (2 * (gumbel - plain_minimum(z)) > LIMIT)
    assert {each.bounded for _, each in compared} == {False, True}


def test_without_penalty_only_data_bound_the_end():
    samples = made_up()
    for each in filter(None, intervals(samples, fit(samples, 0.0), 0.0)):
        assert np.isfinite(each.high) == each.bounded
    samples = [np.random.default_rng(1).gumbel(3, 1, 40)]
    (with_penalty,) = intervals(samples, fit(samples))
    assert np.isfinite(with_penalty.high)
    assert not with_penalty.bounded


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("shape", [2.5, 5, 20])
def test_a_known_end_point_is_covered_as_often_as_promised(shape, n):
    error = np.sqrt(0.05 * 0.95 / 300)
    found = of_shape(shape, n, 300)
    assert 0.93 - error <= found["coverage"] <= 0.98 + error
    assert found["ill-conditioned"] == 0


def test_short_runs_agree_with_the_long_one():
    """500 iterations of the 2018 toolkit, in runs of 50, against the fit to all."""
    found = of_runs(golden("l2/mnist_2-layer"), 50)
    assert found["runs"] == 150
    assert found["coverage"] >= 0.9


def test_a_higher_level_is_wider_and_all_contain_the_fit():
    samples = [x for x, _ in arrays()]
    fits = fit(samples)
    by_level = [intervals(samples, fits, level=level) for level in (0.5, 0.8, 0.95, 0.999)]
    for x, fitted, *found in zip(samples, fits, *by_level, strict=True):
        if fitted.problem:
            assert found == [None] * 4
            continue
        lows = [each.low for each in found]
        highs = [each.high for each in found]
        assert lows == sorted(lows, reverse=True)
        assert highs == sorted(highs)
        assert x.max() <= lows[-1] <= lows[0] <= fitted.end_point < highs[0]


@pytest.mark.parametrize("factor", [1e-30, 1e-9, 1e30])
def test_the_unit_of_the_maxima_does_not_matter(factor):
    for x in made_up():
        samples = [x, factor * x]
        plain, scaled = intervals(samples, fit(samples))
        if plain is not None:
            assert scaled.low == pytest.approx(factor * plain.low, rel=1e-6)
            assert scaled.high == pytest.approx(factor * plain.high, rel=1e-6)
            assert (scaled.bounded, scaled.irregular) == (plain.bounded, plain.irregular)


def test_together_is_alone():
    samples = [x for x, _ in arrays()]
    fits = fit(samples)
    for x, fitted, together in zip(samples, fits, intervals(samples, fits), strict=True):
        (alone,) = intervals([x], [fitted])
        if alone is not None:
            assert together.low == pytest.approx(alone.low, rel=1e-9)
            assert together.high == pytest.approx(alone.high, rel=1e-9)


def test_the_interval_of_exponential_maxima_begins_at_the_largest():
    x = 5 - np.random.default_rng(3).weibull(1.05, 40)
    fits = fit([x])
    (found,) = intervals([x], fits)
    assert found.low == x.max()
    assert found.irregular
    assert fits[0].shape < 2


def test_what_was_not_fitted_has_no_interval():
    samples = [np.full(50, 2.5), np.array([1.0, 2.0])]
    assert intervals(samples, fit(samples)) == [None, None]
    assert intervals([samples[1]], [Fit(2.0)]) == [None]
    assert intervals([], []) == []


@pytest.mark.filterwarnings("error")
def test_no_maxima_are_too_odd():
    """Few, many, tied, next to equal, of shapes up to where rounding hides the likelihood."""
    rng = np.random.default_rng(5)
    samples = [1 - rng.weibull(k, n) for k in np.geomspace(1, 3e4, 25) for n in (3, 4, 7, 25, 300)]
    samples += [1 - rng.weibull(k, 10_000) for k in (1.1, 30)]
    samples += [1 + np.spacing(1.0) * rng.integers(0, most, 30) for most in (2, 5, 20, 1000)]
    samples += [np.minimum(rng.normal(size=50), most) for most in (-0.5, 0.5, 1.5)]
    samples += [-rng.pareto(k, 50) for k in (0.5, 1, 4)]
    samples += [np.r_[rng.normal(size=100), -(10.0**power)] for power in (2, 8)]
    fitted = 0
    for reg in (SHAPE_REG, 0.0, 100.0):
        fits = fit(samples, reg)
        for x, each, found in zip(samples, fits, intervals(samples, fits, reg), strict=True):
            if not each.problem:
                fitted += 1
                assert x.max() <= found.low <= each.end_point <= found.high
                assert np.isfinite(found.high) or reg == 0
    assert fitted > 150
