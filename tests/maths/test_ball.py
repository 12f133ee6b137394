"""The balls are proved by the distributions of radius and direction that uniform points have."""

import numpy as np
import pytest
from scipy.stats import beta, kstest, uniform

from lipschitz.maths.ball import BALLS, BLOCK, RADII, Ball, ball, draw_block, radii_inside

COUNT = 20_000
SMALLEST_P = 1e-4
DIMENSIONS = (2, 3, 20, 784)


def points(norm, n):
    out = np.empty((COUNT, n), np.float32)
    BALLS[norm](np.random.default_rng(n), out)
    return out.astype(np.float64)


@pytest.mark.parametrize("n", DIMENSIONS)
def test_l2_radius_to_the_n_is_uniform(n):
    radii = np.linalg.norm(points("l2", n), axis=1)
    assert kstest(radii**n, uniform.cdf).pvalue > SMALLEST_P


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("which", ["axis", "diagonal"])
def test_l2_direction_is_uniform_on_the_sphere(n, which):
    """Seen from any direction v, (1 + cos) / 2 is Beta((n-1)/2, (n-1)/2)."""
    v = np.eye(n)[-1] if which == "axis" else np.ones(n) / np.sqrt(n)
    x = points("l2", n)
    cosine = x @ v / np.linalg.norm(x, axis=1)
    assert kstest((1 + cosine) / 2, beta((n - 1) / 2, (n - 1) / 2).cdf).pvalue > SMALLEST_P


def test_l2_radius_and_direction_are_independent():
    x = points("l2", 3)
    radii = np.linalg.norm(x, axis=1)
    outer = radii > np.median(radii)
    cosine = x[:, 0] / radii
    assert kstest(cosine[outer], cosine[~outer]).pvalue > SMALLEST_P


@pytest.mark.parametrize("n", DIMENSIONS)
def test_l1_points_lie_on_the_unit_sphere(n):
    np.testing.assert_allclose(np.abs(points("l1", n)).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("coordinate", [0, -1])
def test_l1_sizes_are_uniform_on_the_simplex(n, coordinate):
    """Each gap between sorted uniform numbers is Beta(1, n - 1), two together Beta(2, n - 2)."""
    size = np.abs(points("l1", n))
    assert kstest(size[:, coordinate], beta(1, n - 1).cdf).pvalue > SMALLEST_P
    if n > 2:
        pair = size[:, 0] + size[:, 1]
        assert kstest(pair, beta(2, n - 2).cdf).pvalue > SMALLEST_P


@pytest.mark.parametrize("n", DIMENSIONS)
def test_l1_signs_are_fair_and_independent(n):
    sign = np.sign(points("l1", n)[:, :20])
    k = sign.shape[1]
    sigma = 1 / np.sqrt(COUNT)
    assert np.abs(sign.mean(axis=0)).max() < 5 * sigma
    assert np.abs(sign.T @ sign / COUNT - np.eye(k)).max() < 5.5 * sigma


@pytest.mark.parametrize("n", DIMENSIONS)
def test_li_coordinates_are_uniform_and_uncorrelated(n):
    x = points("li", n)
    for coordinate in (0, n // 2, n - 1):
        assert kstest(x[:, coordinate], uniform(-1, 2).cdf).pvalue > SMALLEST_P
    covariance = np.cov(x[:, :20].T) - np.eye(min(n, 20)) / 3
    assert np.abs(covariance).max() < 6 / 3 / np.sqrt(COUNT)


def many_blocks(shape, n):
    out = np.empty((COUNT // BLOCK * BLOCK, n), np.float32)
    for block in range(len(out) // BLOCK):
        draw_block(out[block * BLOCK : (block + 1) * BLOCK], shape, 1, 2, 3, block)
    return out.astype(np.float64)


def test_every_sample_has_a_radius_of_its_own():
    """An l1 point lies on the sphere, so its norm is the radius: uniform from 0 to 30."""
    norms = np.abs(many_blocks(ball("l1"), 50)).sum(axis=1)
    assert kstest(norms, uniform(0, 30).cdf).pvalue > SMALLEST_P


def test_l2_norm_is_the_radius_times_that_of_a_uniform_point():
    """P(rho u <= t) for rho uniform in [0, 3] and u^n uniform: t/3 + (t/3 - (t/3)^n) / (n - 1)."""
    n = 4
    norms = np.linalg.norm(many_blocks(ball("l2"), n), axis=1) / 3
    assert kstest(norms, lambda t: t + (t - t**n) / (n - 1)).pvalue > SMALLEST_P


def test_li_box_has_one_radius():
    x = many_blocks(ball("li"), 3)
    assert kstest(x[:, 0], uniform(-0.1, 0.2).cdf).pvalue > SMALLEST_P


def test_radius_replaces_the_largest_radius():
    assert ball("l2", 0.5) == Ball("l2", 0, 0.5)
    assert ball("li", 0.02) == Ball("li", 0.02, 0.02)
    assert {norm: high for norm, (_, high) in RADII.items()} == {"l2": 3, "l1": 30, "li": 0.1}


@pytest.mark.parametrize("norm", RADII)
def test_the_largest_ball_inside_touches_the_sampled_one(norm):
    """Of vectors of one length, those along an axis and a diagonal are the extremes."""
    n, orders = 9, {"1": 1, "2": 2, "i": np.inf}
    sampled = orders[norm[1]]
    extremes = [np.eye(n)[0], np.ones(n)]
    for inside, radius in radii_inside(ball(norm, 2.0), n).items():
        scaled = [radius * v / np.linalg.norm(v, orders[inside]) for v in extremes]
        assert max(np.linalg.norm(v, sampled) for v in scaled) == pytest.approx(2)
