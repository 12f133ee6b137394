"""How far the maxima determine the end point: intervals by the profile of the likelihood.

An end point is in the interval if the best fit that ends there is hardly worse than the fit: twice
the difference of their objectives is at most a quantile of the chi-square distribution of one
degree of freedom (Venzon and Moolgavkar, Applied Statistics 37(1), 1988).

All is computed on the rescaled maxima z = (max - x) / (max - min), from 0 to 1. Let the end be
t = 1 / tau above the largest of them, in units of max - min. Then z + t follows the Weibull
distribution that begins at 0, and w = log(1 + tau z) / tau a Gumbel distribution. As tau falls to
0, w becomes z: maxima without an end, which follow a Gumbel distribution, are no special case.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from lipschitz.maths.weibull import SHAPE_REG, Fit, of_stacks

LEVEL = 0.95
REGULAR_SHAPE = 2.0  # below it the likelihood's theory fails (Smith, Biometrika 72(1), 1985)
NEARLY_NONE = 0.01  # of an end's tau: there the maxima have next to no end
MOST_STEPS = 100  # of a search; they grow, and reach what is next to infinite

# of values (rows,) and the numbers of their rows
Function = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """The end points that the maxima do not contradict, in their unit."""

    low: float  # the largest maximum, if even that does not contradict them
    high: float  # infinite if neither the data nor a penalty bound it
    level: float
    bounded: bool  # by the data: without penalty, having no end contradicts them
    irregular: bool  # the fitted shape is below 2: the level is not reliable


def intervals(
    samples: list[np.ndarray],
    fits: list[Fit],
    shape_reg: float = SHAPE_REG,
    level: float = LEVEL,
) -> list[Interval | None]:
    """The interval of each array's end point, None if it is ill-conditioned or was not fitted.

    `fits` and `shape_reg` are those of `weibull.fit`; arrays of one length are computed together.
    The end points that the maxima do not contradict can lie in several ranges (seldom: maxima of
    two kinds). The interval is then the range around the fit, or all of them if one reaches the
    largest maximum or infinity.
    """
    check_level(level)
    found: list[Interval | None] = [None] * len(samples)
    fitted = np.flatnonzero([each.shape > 0 for each in fits])

    def ends(places: np.ndarray, x: np.ndarray) -> list[Interval]:
        return _of_stack(x, [fits[i] for i in fitted[places]], shape_reg, level)

    for places, these in of_stacks(ends, [samples[i] for i in fitted]):
        for i, each in zip(fitted[places], these, strict=True):
            found[i] = each
    return found


def _of_stack(x: np.ndarray, fits: list[Fit], reg: float, level: float) -> list[Interval]:
    """The intervals of the rows of x (samples, n)."""
    with np.errstate(all="ignore"):  # a search that leaves the range of numbers finds no end
        ends = _ends(x, fits, reg, chdtri(1, 1 - level))
    return [
        Interval(
            low=min(float(low), each.end_point),
            high=max(float(high), each.end_point),
            level=level,
            bounded=bool(bounded),
            irregular=each.shape < REGULAR_SHAPE,
        )
        for each, low, high, bounded in zip(fits, *ends, strict=True)
    ]


def check_level(level: float) -> None:
    """Raise ValueError if this is no confidence level."""
    if not 0 < level < 1:
        raise ValueError(f"level {level}: give a number between 0 and 1, 0.95 say")


def _ends(
    x: np.ndarray, fits: list[Fit], reg: float, quantile: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low, high, and whether the data bound the end point, for the rows of x (samples, n)."""
    top = x.max(axis=1)
    extent = top - x.min(axis=1)
    z = (top[:, None] - x) / extent[:, None]
    end, shape = np.array([(each.end_point, each.shape) for each in fits]).T
    # an end point that was rounded to the maximum lay less than half a digit above
    tau = extent / np.maximum(end - top, np.spacing(np.abs(top)) / 4)
    at_fit, a = _profile(z, tau, shape * np.log1p(tau[:, None] * z).std(axis=1), reg)
    at_none, _ = _profile(z, np.zeros(len(z)), a, 0.0)
    worst = at_fit + quantile / 2

    def excess(tau: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The signed root of the likelihood ratio, nearly straight as a rule, less its limit."""
        value, _ = _profile(z[rows], tau, a[rows], reg)
        ratio = 2 * (value - at_fit[rows])
        return np.sign(ratio) * np.sqrt(np.abs(ratio)) - np.sqrt(quantile)

    least_excess = np.full(len(z), -np.sqrt(quantile))  # at the fit
    # at the maximum itself the best shape is 1; if that is let in, the interval begins there
    rows = np.flatnonzero(_exponential(z, reg) > worst)
    largest = np.full(len(z), np.inf)
    largest[rows] = _crossing(excess, rows, tau, least_excess, 2 * tau)
    if reg:  # far away the penalty rules: its root grows with t
        rows = np.arange(len(z))
        t = 1 / tau
        least = 1 / _crossing(lambda t, rows: excess(1 / t, rows), rows, t, least_excess, 2 * t)
        bounded = at_none - _plain_minimum(z, tau, a, at_none - quantile / 2) > quantile / 2
    else:
        rows = np.flatnonzero(at_none > worst)
        least = np.zeros(len(z))
        least[rows] = -_crossing(
            lambda y, rows: excess(-y, rows), rows, -tau, least_excess, 0 * tau
        )
        bounded = at_none - np.minimum(at_fit, _exponential(z, reg)) > quantile / 2
    return top + extent / largest, top + extent / least, bounded


def _plain_minimum(z: np.ndarray, tau: np.ndarray, a: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """The least -sum log pdf(z) over all ends, or a value below `enough` (samples,).

    It is searched for from the fits with a penalty (tau, a), and from next to no end.
    """

    def plain(tau: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return _profile(z[rows], tau, a[rows], 0.0)[0]

    def slope(tau: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return plain(1.01 * tau, rows) - plain(0.99 * tau, rows)

    best = np.minimum(_exponential(z, 0.0), plain(tau, np.arange(len(z))))
    for start in (NEARLY_NONE * tau, tau):
        at_start = np.zeros(len(z))
        rows = np.flatnonzero(best > enough)
        at_start[rows] = slope(start[rows], rows)
        rows = rows[at_start[rows] < 0]
        found = _crossing(slope, rows, start, at_start, start / NEARLY_NONE, tolerance=1e-3)
        best[rows] = np.fmin(best[rows], plain(found, rows))  # nan where there is none
    return best


def _crossing(
    function: Function,
    rows: np.ndarray,
    near: np.ndarray,
    at_near: np.ndarray,
    first: np.ndarray,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """Where the function of each of the rows becomes positive; infinite if it does not.

    `near`, its value there, `at_near` < 0, and `first`, which is tried first, are (samples,). The
    steps grow until the sign changes. Then follows the secant rule of Anderson and Bjorck (BIT 13,
    1973), in which an end of the bracket that stays counts for less, to a relative tolerance.
    """
    a, f_a, y = near[rows], at_near[rows], first[rows]
    b, f_b, found = np.full((3, len(rows)), np.inf)
    was_beyond = np.zeros(len(rows), dtype=bool)
    active = np.arange(len(rows))
    for _ in range(MOST_STEPS):
        here, left, f_left, right, f_right = (each[active] for each in (y, a, f_a, b, f_b))
        value = function(here, rows[active])
        beyond = value > 0
        weight = 1 - value / np.where(beyond, f_right, f_left)
        stays = (beyond == was_beyond[active]) & np.isfinite(right)
        weight = np.where(stays, np.where(weight > 0, weight, 0.5), 1.0)
        grown = here + 3 * (here - left)
        left, f_left, right, f_right = np.where(
            beyond,
            [left, weight * f_left, here, value],
            [here, value, right, weight * f_right],
        )
        bracketed = np.isfinite(right)
        secant = (left * f_right - right * f_left) / (f_right - f_left)
        a[active], f_a[active], b[active], f_b[active] = left, f_left, right, f_right
        y[active] = np.where(bracketed, secant, grown)
        was_beyond[active] = beyond
        done = bracketed & (np.abs(secant - here) <= tolerance * np.abs(secant))
        found[active[done]] = secant[done]
        active = active[~done]
        if not len(active):
            break
    return found


def _exponential(z: np.ndarray, reg: float) -> np.ndarray:
    """The objective of shape 1 with the end at the maximum, least over the scale."""
    n = z.shape[1]
    scale = z.mean(axis=1)
    mean_u = _mean_u(2 * reg * scale**2 / n, np.ones(len(z)))
    scale = scale / mean_u
    return n * (np.log(scale) + mean_u) + reg * scale**2


def _mean_u(weight: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """The root m of m = 1 + weight m^(-2 exponent), by Newton steps that rise towards it.

    With exponent = 1 / shape and weight = 2 reg scale^2 / (n shape), of the scale that is best
    without a penalty, m is the mean of u = ((z + t) / scale)^shape at the scale that is best with
    it, which is the other times m^(-1 / shape).
    """
    m = np.ones(len(weight))
    for _ in range(MOST_STEPS):
        penalty = weight * m ** (-2 * exponent)
        step = (1 + penalty - m) / (1 + 2 * exponent * penalty / m)
        m = m + step
        if (step <= 1e-14 * m).all():
            break
    return m


def _profile(
    z: np.ndarray, tau: np.ndarray, a: np.ndarray, reg: float
) -> tuple[np.ndarray, np.ndarray]:
    """-sum log pdf(z) + reg scale^2 at ends tau (samples,), least over shape >= 1 and scale.

    In place of the shape stands a = shape * tau * deviation of w, which is near 1.3 whatever the
    end and the maxima. The search starts from a; the value and the a where it is are returned.
    """
    logs = np.log1p(tau[:, None] * z)
    ends = tau > 0
    w = np.where(ends[:, None], logs / tau[:, None], z)
    deviation = w.std(axis=1)
    v = (w - np.where(ends, np.log1p(tau) / tau, 1.0)[:, None]) / deviation[:, None]
    unit = tau * deviation  # a of shape 1
    a = np.maximum(a, unit)
    low, high = np.zeros(len(z)), np.full(len(z), np.inf)
    value = np.full(len(z), np.nan)
    active = np.arange(len(z))
    for _ in range(MOST_STEPS):
        here, least = a[active], unit[active]
        objective, slope, curvature = _over_scales(v[active], here, least, tau[active], reg)
        low[active] = left = np.where(slope < 0, here, low[active])
        high[active] = right = np.where(slope < 0, high[active], here)
        newton = np.where(curvature > 0, here - slope / curvature, np.where(slope < 0, np.inf, 0))
        following = np.maximum(np.clip(newton, here / 4, 4 * here), least)
        outside = (following < left) | (following > right)
        following = np.where(outside, np.sqrt(left * right), following)
        step = following - here
        change = (slope + curvature * step / 2) * step
        value[active] = objective + change
        a[active] = following
        active = active[np.abs(change * step) > 1e-7 * here]
        if not len(active):
            break
    value[active] = np.nan
    return value + z.shape[1] * np.log(deviation) + logs.sum(axis=1), a


def _over_scales(
    v: np.ndarray, a: np.ndarray, unit: np.ndarray, tau: np.ndarray, reg: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objective at a (samples,), least over scales, and two derivatives of that in a.

    v (samples, n) is w less its value at z = 1, over its deviation, so that u = exp(a v - c) with
    c = shape log(scale / (1 + t)). Terms that do not depend on a are left out.
    """
    n = v.shape[1]
    e = np.exp(a[:, None] * v)
    e_v = e * v
    total = e.sum(axis=1)
    first, second = e_v.sum(axis=1) / total, np.vecdot(e_v, v) / total
    mean_v = v.mean(axis=1)
    c = np.log(total / n)
    m, penalty = np.ones(len(a)), 0.0
    per_shape = unit / a
    if reg:
        squared_scale = np.exp(2 * (np.log1p(1 / tau) + c * per_shape))
        m = _mean_u(2 * reg / n * per_shape * squared_scale, per_shape)
        penalty = reg * squared_scale * m ** (-2 * per_shape)
        c = c - np.log(m)
    # derivatives in a and c; the penalty is n (m - 1) / (2 per_shape)
    d_a = m * first - mean_v - (1 + (m - 1) * c) / a
    d_aa = m * second + (1 + 2 * (m - 1) * c * (1 + c * per_shape)) / a**2
    d_ac = -m * first - (m - 1) * (1 + 2 * c * per_shape) / a
    d_cc = m + 2 * (m - 1) * per_shape
    value = n * (c + m - np.log(a) - a * mean_v) + penalty
    return value, n * d_a, n * (d_aa - d_ac**2 / d_cc)
