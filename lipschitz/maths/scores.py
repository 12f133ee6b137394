"""From Lipschitz constants to CLEVER scores, and from scores to averages."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

# The bound in a norm takes the Lipschitz constant, so the gradient, in the dual norm:
# |g(x) - g(y)| <= max |dg/dx|_q |x - y|_p with 1/p + 1/q = 1 (Weng et al., ICLR 2018, theorem 3.2)
DUAL_NORM = {"1": "i", "2": "2", "i": "1"}

PRINTED_NORMS = {"2": "2", "1": "1", "i": "inf"}  # after an L

FEWEST_IMAGES = 5  # for the interval of a mean
RESAMPLES = 9999  # means that the bootstrap draws
RESAMPLED = 100_000  # values that are drawn at a time: memory stays small
NO_SPREAD = 1e-9  # of the largest value: values that differ in no more are equal

Ends = tuple[float, float]  # of an interval

AVERAGES: dict[str, Callable[[Sequence[float]], float]] = {"mean": np.mean, "min": np.min}


def average(scores: Sequence[float], how: str) -> tuple[float, int]:
    """The mean or least (`AVERAGES`) of the finite scores, and the number of infinite ones.

    If none is finite, the average is infinite.
    """
    finite = [score for score in scores if np.isfinite(score)]
    return float(AVERAGES[how](finite)) if finite else np.inf, len(scores) - len(finite)


def interval_of_mean(scores: Sequence[float], level: float) -> Ends | None:
    """The interval of the mean of the finite scores, if the images are a sample of many.

    Bootstrap, bias-corrected and accelerated (Efron, JASA 82, 1987), at an expanded level; the same
    scores give the same interval. None if fewer than `FEWEST_IMAGES` are finite.
    """
    return _interval(scores, level, _bootstrap)


def interval_of_difference(differences: Sequence[float], level: float) -> Ends | None:
    """The interval of a mean difference: of each image, the finite scores of two networks.

    Student's t. Differences of pairs are nearly symmetric with long tails: their skewness, which
    the bootstrap's acceleration corrects for, is that of the sample alone, and its intervals cover
    less (benchmarks/coverage.py). None if there are fewer than `FEWEST_IMAGES`.
    """
    return _interval(differences, level, _student)


def _interval(
    values: Sequence[float], level: float, of_scaled: Callable[[np.ndarray, float], Ends]
) -> Ends | None:
    """The interval of the mean of the finite values, found in a unit in which they can be squared.

    Values that are all equal have that of zero width.
    """
    finite = np.sort([value for value in values if np.isfinite(value)])
    if len(finite) < FEWEST_IMAGES:
        return None
    unit = np.abs(finite).max() or 1.0
    scaled = finite / unit
    if scaled[-1] - scaled[0] <= NO_SPREAD:
        return float(finite[0]), float(finite[-1])
    low, high = of_scaled(scaled, level)
    return float(low * unit), float(high * unit)


def _student(values: np.ndarray, level: float) -> Ends:
    n = len(values)
    half = stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(n)
    return values.mean() - half, values.mean() + half


def _bootstrap(values: np.ndarray, level: float) -> Ends:
    from scipy import stats  # takes a second to import: other folders go without

    quantile = getattr(stats, "quantile", np.quantile)  # SciPy 1.15 has none
    n = len(values)
    level = expanded_level(level, n)
    means = stats.bootstrap(
        [values],
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(RESAMPLED // n, 1),
        method="percentile",
        rng=np.random.default_rng(0),
    ).bootstrap_distribution
    mean = values.mean()
    bias = ndtri(((means < mean).sum() + (means <= mean).sum()) / (2 * RESAMPLES))
    left_out = means_without_each(values)
    influence = (n - 1) * (left_out.mean() - left_out)
    cubes, squares = (influence**3).sum() / n**3, (influence**2).sum() / n**2
    acceleration = 1 / 6 * cubes / squares ** (3 / 2)
    z = float(ndtri((1 - level) / 2))
    moved = np.array([bias + z, bias - z])
    return quantile(means, ndtr(bias + moved / (1 - acceleration * moved)))


def means_without_each(values: np.ndarray) -> np.ndarray:
    """The means of all values (n,) but one: without the first, the second, ... (the jackknife)."""
    others = values[1:].copy()
    means = [others.mean()]
    for place in range(len(others)):
        others[place] = values[place]
        means.append(others.mean())
    return np.array(means)


def expanded_level(level: float, n: int) -> float:
    """The level at which a bootstrap of n values has the width of Student's t interval.

    A bootstrap's intervals are too narrow by sqrt((n - 1) / n) and the ratio of the normal
    quantile to that of t: 1 - 2 Phi(-sqrt(n / (n - 1)) t_(n - 1)) makes up for both (Hesterberg,
    The American Statistician 69, 2015, "expanded percentile interval"). It is at most the level at
    which the ends are the least and the largest of `RESAMPLES` means.
    """
    t = stdtrit(n - 1, (1 + level) / 2)
    return float(min(1 - 2 * ndtr(-np.sqrt(n / (n - 1)) * t), 1 - 2 / RESAMPLES))


def clever_score(g_x0: float, lipschitz_constant: float) -> float:
    """How far the image must move at least: the margin over the constant (theorem 3.2).

    A constant of 0 means that no sample moves the margin: the score is infinite.
    """
    return g_x0 / lipschitz_constant if lipschitz_constant else np.inf


def second_order_score(g_x0: float, gradient: float, curvature: float) -> float:
    """The distance r at which g(x0) = a r + H r^2 / 2 (Weng et al., GlobalSIP 2018).

    `gradient` a is |dg/dx|_2 at the image, `curvature` H the largest magnitude of a Hessian
    eigenvalue around it; L2 alone. The quotient below has no difference of nearly equal numbers.
    """
    steepness = gradient + np.sqrt(gradient**2 + 2 * g_x0 * curvature)
    return 2 * g_x0 / steepness if steepness else np.inf


def ratio(score: float, distance: float) -> float:
    """A score over the distance that an attack needs, which may be 0.

    It is nan if the attack found nothing, so that the distance is infinite.
    """
    if np.isinf(distance):
        return np.nan
    return score / distance if distance else np.inf
