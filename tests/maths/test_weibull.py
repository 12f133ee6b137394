"""The fit against the 2018 toolkit, scipy, and seven Nelder-Mead runs."""

import json

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.optimize import check_grad, minimize
from scipy.stats import kstest, kstwo, weibull_min

from lipschitz.maths.weibull import (
    SHAPE_REG,
    _likelihood,
    _search,
    density,
    fit,
    interior_maximum,
    kolmogorov_p_value,
)
from tests.helpers import EXPECTED, GOLDEN

FIRST_ORDER = [folder for folder in EXPECTED if not folder.startswith("order2")]
DUAL_KEY = {"1": "Gi_max", "2": "G2_max", "i": "G1_max"}
STARTS = (0.1, 1, 5, 10, 20, 50, 100)


def golden_rows(folder):
    """Each bound of 2018 with the maxima that it was fitted to."""
    files = {}
    for path in (GOLDEN / folder).rglob("*.mat"):
        contents = loadmat(path, squeeze_me=True)
        key = int(contents["id"]), int(contents["target_label"]), str(contents["info"])
        files[key] = contents
    for row in EXPECTED[folder]["rows"]:
        key = DUAL_KEY[row["bnd_norm"]]
        if "--use_slope" in EXPECTED[folder]["options"]:
            key = key.replace("G", "L")
        yield row, files[row["id"], row["target_label"], row["info"]][key]


def objective(z, shape, location, scale, reg=SHAPE_REG):
    """-sum log pdf + reg * s^2, with scipy's density."""
    if shape <= 0 or scale <= 0:
        return np.inf
    return -weibull_min.logpdf(z, shape, location, scale).sum() + reg * scale**2


def rescaled(x):
    return (x.max() - x) / (x.max() - x.min())


@pytest.fixture(scope="module")
def golden_fits():
    """(row of 2018, maxima, our fit) of all golden folders."""
    rows = [(folder, *pair) for folder in FIRST_ORDER for pair in golden_rows(folder)]
    fits = fit([x for _, _, x in rows])
    return [(row, x, fitted) for (_, row, x), fitted in zip(rows, fits, strict=True)]


def test_bounds_agree_with_2018(golden_fits):
    off = [
        abs(row["g_x0"] / fitted.end_point / row["bnd"] - 1)
        for row, _, fitted in golden_fits
        if row["pVal"] > 0.05
    ]
    assert len(off) > 300
    assert np.mean(np.array(off) <= 1e-3) >= 0.97
    assert max(off) <= 1.5e-2


def test_where_a_bound_differs_ours_is_likelier(golden_fits):
    for row, x, fitted in golden_fits:
        if row["shape"] > 1 and abs(row["g_x0"] / fitted.end_point / row["bnd"] - 1) > 1e-3:
            span = x.max() - x.min()
            theirs = (row["loc"] + x.max()) / span, row["scale"] / span
            ours = (fitted.location + x.max()) / span, fitted.scale / span
            z = rescaled(x)
            assert objective(z, fitted.shape, *ours) < objective(z, row["shape"], *theirs)


def test_ks_distances_agree_with_2018(golden_fits):
    for row, _, fitted in golden_fits:
        agrees = abs(row["g_x0"] / fitted.end_point / row["bnd"] - 1) <= 1e-3
        if agrees and row["shape"] > 1:
            assert fitted.ks == pytest.approx(row["ks"], abs=1e-3)


def test_what_2018_called_ill_conditioned_is_so_here(golden_fits):
    for row, x, fitted in golden_fits:
        assert bool(fitted.problem) == (row["shape"] < 1)
        if fitted.problem:
            assert fitted.end_point == x.max()
            assert (fitted.shape, fitted.scale, fitted.ks, fitted.p_value) == (-1, -1, -1, -1)


def test_derivatives_are_those_of_the_value():
    d = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 20))

    def value(p):
        return _likelihood(d, p[:1], p[1:2], p[2:], SHAPE_REG)[0][0]

    def gradient(p):
        return _likelihood(d, p[:1], p[1:2], p[2:], SHAPE_REG)[1][:, 0]

    def hessian_row(i):
        return lambda p: _likelihood(d, p[:1], p[1:2], p[2:], SHAPE_REG)[2][i, :, 0]

    for point in ([1.5, 1.0, 1.2], [8.0, 0.9, 0.7], [40.0, 1.0, 0.1]):
        size = (
            np.abs(hessian_row(0)(np.array(point))).max() + np.abs(gradient(np.array(point))).max()
        )
        assert check_grad(value, gradient, point) < 1e-4 * size
        for i in range(3):
            error = check_grad(lambda p, i=i: gradient(p)[i], hessian_row(i), point)
            assert error < 1e-4 * np.abs(hessian_row(i)(np.array(point))).max()


def test_value_is_the_objective():
    z = rescaled(np.random.default_rng(1).normal(size=30))
    shape, location, scale = 3.0, -0.4, 0.8
    d = z - z.mean()
    c, a = (z.mean() - location) / scale, 1 / scale
    value, _, _ = _likelihood(d[None], *np.array([[shape], [c], [a]]), SHAPE_REG)
    assert value[0] == pytest.approx(objective(z, shape, location, scale), rel=1e-12)


def nelder_mead(z, reg):
    """The best interior end (shape above 1) of the seven runs, and its value."""
    best = np.inf, None
    for shape in STARTS:
        start = shape, *weibull_min._fitstart(z, args=(shape,))[1:]
        run = minimize(
            lambda p: objective(z, *p, reg=reg),
            start,
            method="Nelder-Mead",
            options={"maxiter": 600, "xatol": 1e-7, "fatol": 1e-9},
        )
        # an end on the boundary, where the likelihood grows without bound, is no maximum
        if run.x[0] > 1 and run.x[1] < z.min() - 1e-6 and run.fun < best[0]:
            best = run.fun, run.x
    return best


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("reg", "arrays"),
    [
        (SHAPE_REG, 8),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [(SHAPE_REG, 100), (0.0, 10)]),
    ],
)
def test_no_nelder_mead_run_ends_lower(reg, arrays):
    """On random arrays the fit is never above the best interior end by more than 1e-6."""
    rng = np.random.default_rng(2018)
    compared = 0
    for _ in range(arrays):
        n = int(rng.choice([20, 50, 100, 200]))
        x = 10 ** rng.uniform(-2, 2) * (1 + rng.weibull(rng.uniform(1.5, 12), n))
        z = rescaled(x.max() + x.min() - x)
        value, end = nelder_mead(z, reg)
        shape, location, scale, _ = interior_maximum(z[None], reg)[:, 0]
        if np.isnan(shape):
            assert end[0] > 1e5  # the run was on its way to infinity: there is no maximum
            continue
        compared += 1
        assert objective(z, shape, location, scale, reg) <= value + 1e-6
    assert compared >= 0.9 * arrays


def test_a_known_end_point_is_found():
    x = 7 - weibull_min.rvs(4, scale=2, size=20_000, random_state=1)
    (fitted,) = fit([x], shape_reg=0)
    assert fitted.end_point == pytest.approx(7, rel=0.02)
    assert fitted.shape == pytest.approx(4, rel=0.1)
    assert fitted.problem == ""


def test_maxima_without_an_end_get_no_absurd_one():
    """Gumbel maxima have no end: a fit without penalty must not run to where rounding decides."""
    samples = list(np.random.default_rng(8).gumbel(10, 1, (3000, 40)))
    fits = fit(samples, shape_reg=0)
    assert max(fitted.end_point / x.max() for fitted, x in zip(fits, samples, strict=True)) < 1e4


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("seed", "row"), [(1, 12), (2, 102), (16, 155), (36, 114)])
def test_a_maximum_that_a_search_from_the_middle_misses_is_found(seed, row):
    """Maxima of two kinds, mixed: of 1,500 such samples about one needs another start."""
    rng = np.random.default_rng(seed)
    shift, share, scale = (
        rng.uniform(*ends, (200, 1)) for ends in ((0, 8), (0.02, 0.98), (0.05, 1))
    )
    first = rng.uniform(size=(200, 30)) < share
    low = 5 - rng.weibull(2, (200, 30))
    x = np.where(first, low, 5 + shift - scale * rng.weibull(4, (200, 30)))[row]
    z = rescaled(x)
    assert np.isnan(_search(z[None], 5.0, SHAPE_REG)).all()
    *end, ks = interior_maximum(z[None], SHAPE_REG)[:, 0]
    run = minimize(lambda p: objective(z, *p), end, method="Nelder-Mead", options={"fatol": 1e-12})
    np.testing.assert_allclose(run.x, end, rtol=1e-3)
    assert ks == pytest.approx(kstest(z, weibull_min(*end).cdf).statistic, abs=1e-12)


def test_fitting_together_is_fitting_alone():
    rng = np.random.default_rng(3)
    samples = [5 - rng.weibull(4, n) for n in (50, 30, 50, 80, 30)]
    for together, x in zip(fit(samples), samples, strict=True):
        (alone,) = fit([x])
        assert together.end_point == pytest.approx(alone.end_point, rel=1e-9)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_of_the_maxima_does_not_matter(factor):
    x = 5 - np.random.default_rng(4).weibull(4, 60)
    plain, scaled = fit([x, x * factor])
    assert scaled.end_point == pytest.approx(plain.end_point * factor, rel=1e-7)


def test_ks_and_p_value_are_those_of_scipy():
    x = 5 - np.random.default_rng(5).weibull(4, 60)
    (fitted,) = fit([x])
    theirs = kstest(-x, weibull_min(fitted.shape, fitted.location, fitted.scale).cdf)
    assert fitted.ks == pytest.approx(theirs.statistic, abs=1e-12)
    assert fitted.p_value == pytest.approx(theirs.pvalue, rel=1e-6)


@pytest.mark.parametrize("n", [3, 10, 50, 500, 3000])
@pytest.mark.parametrize("distance", [0.01, 0.03, 0.08, 0.2, 0.45, 0.7])
def test_p_values_are_exact(n, distance):
    expected = kstwo.sf(distance, n)
    assert kolmogorov_p_value(distance, n) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "problem"),
    [
        (np.full(50, 2.5), "all maxima are equal"),
        (np.array([1.0, 2.0]), "fewer than 3 maxima"),
        (np.array([2.5]), "fewer than 3 maxima"),
        (np.r_[np.full(60, 1.0), np.linspace(1.9, 2.5, 40)], "p-value"),
    ],
)
def test_what_cannot_be_fitted_takes_its_maximum(x, problem):
    (fitted,) = fit([x])
    assert problem in fitted.problem
    assert fitted.end_point == x.max()
    assert fitted.location == -x.max()
    assert (
        json.dumps([fitted.shape, fitted.scale, fitted.ks, fitted.p_value])
        == "[-1.0, -1.0, -1.0, -1.0]"
    )


def test_density_is_scipys_mirrored():
    x = 5 - np.random.default_rng(6).weibull(4, 60)
    (fitted,) = fit([x])
    theirs = weibull_min(fitted.shape, fitted.location, fitted.scale).pdf(-x)
    np.testing.assert_allclose(density(fitted, x), theirs, rtol=1e-9)
