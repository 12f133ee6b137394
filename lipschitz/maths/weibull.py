"""The reverse Weibull distribution of the maxima: its fit, its end point, its test.

Maxima x of bounded values converge to a reverse Weibull distribution, so -x to the
three-parameter Weibull distribution of shape k, location l and scale s (the density of
`scipy.stats.weibull_min`), whose left end l is minus the largest value that x can take
(Weng et al., ICLR 2018, section 3).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.special import gamma, gammaln, smirnov

from lipschitz.support.machine import cores
from lipschitz.support.slices import map_slices

Result = TypeVar("Result")

SHAPE_REG = 0.01
LEAST_P_VALUE = 0.001  # below it the fit is not believed
FEWEST_MAXIMA = 3
ALL_EQUAL = "all maxima are equal"  # why there is no fit, and none is needed: the end is known
AT_A_TIME = 2**18  # values of a stack: more do not stay in a processor's cache
FEW_MAXIMA = 20  # fewer hardly determine three parameters
# The search for the shape gives up there: above 3e4 rounding hides the likelihood's slope
LEAST_SHAPE, LARGEST_SHAPE = 1 + 1e-3, 3e4
STARTING_SHAPES = (5.0, 1.5, 30.0)


@dataclass(frozen=True)
class Fit:
    """One array of maxima, fitted; the end point is the Lipschitz constant.

    An ill-conditioned sample says why in `problem`: its end point is its maximum, the rest -1.
    """

    end_point: float
    shape: float = -1.0
    scale: float = -1.0
    ks: float = -1.0
    p_value: float = -1.0
    problem: str = ""

    @property
    def location(self) -> float:
        """The left end of the distribution of -x."""
        return -self.end_point


def density(fit: Fit, x: np.ndarray) -> np.ndarray:
    """The fitted density of the maxima at x, up to the end point."""
    u = np.maximum(fit.end_point - x, 0) / fit.scale
    return fit.shape / fit.scale * u ** (fit.shape - 1) * np.exp(-(u**fit.shape))


def fit(samples: list[np.ndarray], shape_reg: float = SHAPE_REG) -> list[Fit]:
    """Fit each array of maxima; arrays of one length are fitted together, on all cores.

    `shape_reg` is the weight of the penalty on the scale of the rescaled sample (0: plain
    maximum likelihood).
    """
    fits = [Fit(np.nan)] * len(samples)
    for places, found in of_stacks(lambda _, x: _fit_stack(x, shape_reg), samples):
        for i, fitted in zip(places, found, strict=True):
            fits[i] = fitted
    return fits


def of_stacks(
    function: Callable[[np.ndarray, np.ndarray], Result], samples: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, Result]]:
    """What a function makes of arrays of one length n, stacked: x (arrays, n), and their places.

    Returns the places and the result of each stack. Several are computed at a time.
    """
    lengths = np.array([len(x) for x in samples])

    def of_stack(places: np.ndarray) -> tuple[np.ndarray, Result]:
        return places, function(places, np.stack([samples[i] for i in places]))

    for n in np.unique(lengths):
        alike = np.flatnonzero(lengths == n)
        yield from map_slices(of_stack, alike, max(AT_A_TIME // n, 2), cores())


def _fit_stack(x: np.ndarray, shape_reg: float) -> list[Fit]:
    """Fit the rows of x (samples, n)."""
    top = x.max(axis=1)
    extent = top - x.min(axis=1)
    few = x.shape[1] < FEWEST_MAXIMA
    problem = f"fewer than {FEWEST_MAXIMA} maxima" if few else ALL_EQUAL
    fits = [Fit(float(largest), problem=problem) for largest in top]

    varied = np.flatnonzero((extent > 0) & (not few))
    z = (top[varied, None] - x[varied]) / extent[varied, None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        # a search that leaves the range of numbers ends with nan: it found no maximum
        shape, location, scale, ks = interior_maximum(z, shape_reg)
    for row, i in enumerate(varied):
        fits[i] = _judged(
            Fit(
                end_point=float(top[i] - extent[i] * location[row]),
                shape=float(shape[row]),
                scale=float(extent[i] * scale[row]),
                ks=float(ks[row]),
            ),
            float(top[i]),
            x.shape[1],
        )
    return fits


def _judged(fitted: Fit, largest: float, n: int) -> Fit:
    """The fit with its p-value, or the largest maximum if the fit is not credible."""
    if np.isnan(fitted.shape):
        return Fit(largest, problem="the likelihood has no interior maximum")
    p_value = kolmogorov_p_value(fitted.ks, n)
    if p_value < LEAST_P_VALUE:
        return Fit(largest, problem=f"the fit's p-value is {p_value:.2g}")
    return replace(fitted, p_value=p_value)


def _likelihood(
    d: np.ndarray, k: np.ndarray, c: np.ndarray, a: np.ndarray, shape_reg: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-sum log pdf(z) + shape_reg * s^2 with u = (z - l) / s = c + a d, and its derivatives.

    d (samples, n) is z less its mean; k, c, a (samples,) are the shape and, with a = 1 / s,
    the two coefficients of u. Returns the value (samples,), infinite outside the support, the
    gradient (3, samples) and the Hessian (3, 3, samples) in (k, c, a).
    """
    n = d.shape[1]
    u = c[:, None] + a[:, None] * d
    outside = (u.min(axis=1) <= 0) | (a <= 0)
    u[outside] = 1.0
    a = np.where(outside, 1.0, a)

    log_u = np.log(u)
    u_k = np.exp(k[:, None] * log_u)
    inverse = 1 / u
    # -(k - 1) log u + u^k: first and second derivative in u, and the mixed one in k and u
    du = (k[:, None] * u_k - (k[:, None] - 1)) * inverse
    duu = (k[:, None] - 1) * (1 + k[:, None] * u_k) * inverse**2
    dku = (u_k * (1 + k[:, None] * log_u) - 1) * inverse

    value = -n * np.log(k * a) - (k - 1) * log_u.sum(1) + u_k.sum(1) + shape_reg / a**2
    d_k = -n / k + np.vecdot(u_k - 1, log_u)
    d_c = du.sum(1)
    d_a = np.vecdot(du, d) - n / a - 2 * shape_reg / a**3
    d_kk = n / k**2 + np.vecdot(u_k, log_u**2)
    d_kc, d_ka = dku.sum(1), np.vecdot(dku, d)
    d_cc, d_ca = duu.sum(1), np.vecdot(duu, d)
    d_aa = np.vecdot(duu, d**2) + n / a**2 + 6 * shape_reg / a**4
    return (
        np.where(outside, np.inf, value),
        np.array([d_k, d_c, d_a]),
        np.array([[d_kk, d_kc, d_ka], [d_kc, d_cc, d_ca], [d_ka, d_ca, d_aa]]),
    )


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """matrix^-1 vector, for symmetric matrix (2, 2, samples) and vector (2, samples)."""
    (p, q), (_, r) = matrix
    x, y = vector
    return np.array([r * x - q * y, p * y - q * x]) / (p * r - q * q)


def _profile(
    d: np.ndarray, k: np.ndarray, ca: np.ndarray, shape_reg: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minimise over (c, a) at fixed shapes k > 1, from the feasible start ca (2, samples).

    In (c, a) the problem is convex: -log a, -log u and u^k are convex functions of linear
    ones, and so is the penalty on 1 / a^2. Newton's method with halved steps solves it.
    Returns (c, a), and the gradient and Hessian there.
    """
    ca = ca.copy()
    value, gradient, hessian = _likelihood(d, k, *ca, shape_reg)
    length = np.ones(len(d))
    for _ in range(200):
        step = -_solve(hessian[1:, 1:], gradient[1:])
        promised = -(step * gradient[1:]).sum(0)
        moving = np.flatnonzero((promised > 1e-16 * (1 + np.abs(value))) & (length > 1e-9))
        if not len(moving):
            break
        trial = ca[:, moving] + length[moving] * step[:, moving]
        there = _likelihood(d[moving], k[moving], *trial, shape_reg)
        enough = value - 1e-4 * length * promised + 1e-12 * np.abs(value)
        better = there[0] <= enough[moving]
        moved = moving[better]
        ca[:, moved] = trial[:, better]
        value[moved], gradient[:, moved], hessian[..., moved] = (x[..., better] for x in there)
        length[moving] = np.where(better, np.minimum(1, 4 * length[moving]), length[moving] / 2)
    return ca, gradient, hessian


def _deviation(k: np.ndarray) -> np.ndarray:
    """Standard deviation of the Weibull distribution of shape k and scale 1."""
    return np.sqrt(np.maximum(gamma(1 + 2 / k) - gamma(1 + 1 / k) ** 2, 1e-24))


def _start(d: np.ndarray, k: np.ndarray) -> np.ndarray:
    """(c, a) at which the distribution of shape k has the mean and deviation of the sample.

    Moved into the support if the sample reaches below the distribution's end.
    """
    c = gamma(1 + 1 / k)
    return np.array([c, np.minimum(_deviation(k) / d.std(axis=1), -0.95 * c / d.min(axis=1))])


def interior_maximum(z: np.ndarray, shape_reg: float) -> np.ndarray:
    """Shape, location, scale and KS distance at the interior maximum of the likelihood.

    z (samples, n) holds rescaled samples, from 0 to 1. The result is (4, samples), nan if no
    maximum with a shape above 1 exists. As a rule there is one; if maxima of two kinds are mixed
    and the searches end apart, the smallest KS distance decides.
    """
    best = np.full((4, len(z)), np.nan)
    d = z - z.mean(axis=1, keepdims=True)
    for start in STARTING_SHAPES:
        # falling towards the maximum that is known, the profile leads to no other
        known = np.flatnonzero(~np.isnan(best[0]))
        k = np.full(len(known), start)
        _, gradient, _ = _profile(d[known], k, _start(d[known], k), shape_reg)
        other = np.isnan(best[0])
        other[known] = (start - best[0, known]) * gradient[0] < 0
        other = np.flatnonzero(other)
        found = _search(z[other], start, shape_reg)
        ks = ks_distance(z[other], *found)
        closer = np.isnan(best[3, other]) | (ks < best[3, other])
        best[:, other] = np.where(closer, [*found, ks], best[:, other])
    return best


def _search(z: np.ndarray, start: float, shape_reg: float) -> np.ndarray:
    """Shape, location and scale (3, samples) at a maximum of the penalised likelihood, or nan.

    The likelihood is maximised over location and scale at each shape (a convex problem), and
    the slope of that profile is followed in the shape: up while it falls, down while it rises,
    then by Newton steps kept inside the bracket.
    """
    centre = z.mean(axis=1)
    d = z - centre[:, None]
    k = np.full(len(z), start)
    ca = _start(d, k)  # where the next profile starts, then its minimum
    low, high = np.full((2, len(z)), np.nan)  # shapes where the profile falls, and rises
    found = np.zeros(len(z), dtype=bool)
    active = np.arange(len(z))
    while len(active):
        here = k[active]
        ca[:, active], gradient, hessian = _profile(d[active], here, ca[:, active], shape_reg)
        reply = _solve(hessian[1:, 1:], hessian[0, 1:])
        slope = gradient[0]
        curvature = hessian[0, 0] - (hessian[0, 1:] * reply).sum(0)

        low[active] = np.where(slope < 0, here, low[active])
        high[active] = np.where(slope < 0, high[active], here)
        left, right = low[active], high[active]
        bracketed = np.isfinite(left) & np.isfinite(right)
        newton = here - slope / curvature
        inside = (newton > left) & (newton < right)
        halved = 1 + np.sqrt((left - 1) * (right - 1))
        searched = 1 + np.where(slope < 0, 2.5, 0.75) * (here - 1)
        following = np.where(bracketed, np.where(inside, newton, halved), searched)

        still = (np.abs(newton - here) < 1e-9 * here) | (right - left < 1e-10 * right)
        found[active] = bracketed & still
        lost = (following < LEAST_SHAPE) | (following > LARGEST_SHAPE)
        goes_on = ~found[active] & ~lost
        # at the next shape the minimum moves by -reply for each unit of shape, to first order
        moved = ca[:, active] - reply * (following - here)
        active, moved = active[goes_on], moved[:, goes_on]
        k[active] = following[goes_on]
        inside = (moved[1] > 0) & (moved[0] + moved[1] * d[active].min(axis=1) > 0)
        ca[:, active] = np.where(inside, moved, _start(d[active], k[active]))

    c, a = ca
    return np.where(found, [k, centre - c / a, 1 / a], np.nan)


def ks_distance(
    z: np.ndarray, shape: np.ndarray, location: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Kolmogorov-Smirnov distance of each row of z (samples, n) to its Weibull distribution."""
    n = z.shape[1]
    u = (np.sort(z, axis=1) - location[:, None]) / scale[:, None]
    cdf = -np.expm1(-(u ** shape[:, None]))
    ranks = np.arange(n + 1) / n
    return np.maximum(ranks[1:] - cdf, cdf - ranks[:-1]).max(axis=1)


def kolmogorov_p_value(distance: float, n: int) -> float:
    """Exact two-sided p-value: P(D_n >= distance).

    Durbin's matrix in the form of Marsaglia, Tsang and Wang (J. Stat. Software 8(18), 2003)
    gives P(D_n < distance). If n distance^2 >= 4, twice the exact one-sided probability is
    within 1e-10 relative (Simard and L'Ecuyer, J. Stat. Software 39(11), 2011, section 2.3).
    """
    if n * distance**2 >= 4 or distance >= 0.5:
        return min(1.0, 2 * smirnov(n, distance))
    k = int(n * distance) + 1
    h = k - n * distance
    m = 2 * k - 1
    rows, columns = np.indices((m, m))
    power = rows - columns + 1
    matrix = np.where(power >= 0, np.exp(-gammaln(np.maximum(power, 0) + 1)), 0)
    edge = np.arange(1, m + 1)
    matrix[:, 0] -= h**edge * np.exp(-gammaln(edge + 1))
    matrix[-1, :] -= (h**edge * np.exp(-gammaln(edge + 1)))[::-1]
    matrix[-1, 0] += max(0.0, 2 * h - 1) ** m * np.exp(-gammaln(m + 1))
    per_step = np.exp(gammaln(n + 1) / n) / n  # n! / n^n, a factor at a time
    inside = np.linalg.matrix_power(matrix * per_step, n)[k - 1, k - 1]
    return float(np.clip(1 - inside, 0, 1))
