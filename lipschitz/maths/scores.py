"""From Lipschitz constants to CLEVER scores, and from scores to averages."""

from collections.abc import Callable, Sequence

import numpy as np

# The bound in a norm takes the Lipschitz constant, so the gradient, in the dual norm:
# |g(x) - g(y)| <= max |dg/dx|_q |x - y|_p with 1/p + 1/q = 1 (Weng et al., ICLR 2018, theorem 3.2)
DUAL_NORM = {"1": "i", "2": "2", "i": "1"}

PRINTED_NORMS = {"2": "2", "1": "1", "i": "inf"}  # after an L

FEWEST_IMAGES = 5  # for the interval of a mean
RESAMPLED = 100_000  # scores that are drawn at a time: memory stays small

AVERAGES: dict[str, Callable[[Sequence[float]], float]] = {"mean": np.mean, "min": np.min}


def average(scores: Sequence[float], how: str) -> tuple[float, int]:
    """The mean or least (`AVERAGES`) of the finite scores, and the number of infinite ones.

    If none is finite, the average is infinite.
    """
    finite = [score for score in scores if np.isfinite(score)]
    return float(AVERAGES[how](finite)) if finite else np.inf, len(scores) - len(finite)


def interval_of_mean(scores: Sequence[float], level: float) -> tuple[float, float] | None:
    """The interval of the mean of the finite scores, if the images are a sample of many.

    Bootstrap, bias-corrected and accelerated (Efron, JASA 82, 1987); the same scores give the same
    interval. None if fewer than `FEWEST_IMAGES` are finite.
    """
    finite = np.sort([score for score in scores if np.isfinite(score)])
    if len(finite) < FEWEST_IMAGES:
        return None
    if np.isclose(finite[0], finite[-1], rtol=1e-9, atol=0):
        return float(finite[0]), float(finite[-1])
    from scipy.stats import bootstrap  # takes a second to import: other folders go without

    batch = max(RESAMPLED // len(finite), 1)
    rng = np.random.default_rng(0)
    unit = finite[-1]  # which brings the scores into the range of numbers that can be squared
    found = bootstrap([finite / unit], np.mean, confidence_level=level, batch=batch, rng=rng)
    low, high = found.confidence_interval
    return float(low * unit), float(high * unit)


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
