"""The fit of clever.py against the method as published: scipy's fit from seven starting shapes.

    python benchmarks/fit.py [--repeats 5] [--json FILE]

The published method fits one array at a time with `scipy.stats.weibull_min.fit` and the
Nelder-Mead simplex, from each of seven shapes, and keeps the fit of the smallest
Kolmogorov-Smirnov distance. Both minimise the same objective, -log likelihood + shape_reg * scale^2
of the rescaled array. scipy takes about a quarter of a second an array: it is timed on a few of
them, ours on all.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import fmin
from scipy.stats import weibull_min

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures
from lipschitz.maths import weibull
from lipschitz.maths.weibull import SHAPE_REG

STARTS = (0.1, 1, 5, 10, 20, 50, 100)
LENGTHS, COUNTS = (50, 500), (9, 90, 900)
TIMED, COMPARED = 3, 30  # arrays of a length: in every repeat, and once for the end points


def main() -> None:
    """Time both, compare what they find, print a table and write the figures."""
    args = figures.parser(__file__, __doc__).parse_args()
    rows = []
    for length in LENGTHS:
        samples = maxima(max(COUNTS), length)
        agreement = compare(samples[:COMPARED])
        for count in COUNTS:
            repeated = [timed(samples[:count]) for _ in range(args.repeats)]
            rows.append(
                {
                    "maxima": length,
                    "arrays": count,
                    **{
                        key: float(np.median([each[key] for each in repeated]))
                        for key in repeated[0]
                    },
                    **agreement,
                }
            )
            print(table_row(rows[-1]), flush=True)
    figures.write(rows, args.json)


def maxima(count: int, length: int) -> list[np.ndarray]:
    """Arrays of reverse Weibull maxima with shapes as they are met, 1.5 to 30."""
    rng = np.random.default_rng(length)
    return [10 - rng.weibull(rng.uniform(1.5, 30), length) for _ in range(count)]


def timed(samples: list[np.ndarray]) -> dict[str, float]:
    """Arrays a second, of ours on all samples and of scipy's on a few, and their ratio."""
    start = time.perf_counter()
    weibull.fit(samples)
    ours = len(samples) / (time.perf_counter() - start)
    start = time.perf_counter()
    for x in samples[:TIMED]:
        as_published(rescaled(x))
    theirs = TIMED / (time.perf_counter() - start)
    return {"toolkit": ours, "scipy": theirs, "ratio": ours / theirs}


def rescaled(x: np.ndarray) -> np.ndarray:
    """(max - x) / (max - min)."""
    return (x.max() - x) / np.ptp(x)


def as_published(z: np.ndarray) -> list[tuple[float, float, float]]:
    """Shape, location and scale from each start, the smallest KS distance first."""

    def simplex(minus_log_likelihood, start, args, disp):  # noqa: ANN001, ANN202
        def penalised(parameters: np.ndarray, *data: np.ndarray) -> float:
            return minus_log_likelihood(parameters, *data) + SHAPE_REG * parameters[2] ** 2

        return fmin(penalised, start, args=args, disp=disp)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fits = [weibull_min.fit(z, start, optimizer=simplex) for start in STARTS]
    return sorted(fits, key=lambda found: distance(z, found))


def distance(z: np.ndarray, found: tuple[float, float, float]) -> float:
    """The KS distance of z to a fit; infinite where the fit is none."""
    if not np.isfinite(found).all() or found[2] <= 0 or found[1] >= z.min():
        return np.inf
    return float(weibull.ks_distance(z[None], *(np.array([value]) for value in found))[0])


def objective(z: np.ndarray, found: tuple[float, float, float]) -> float:
    """-sum log density + shape_reg * scale^2."""
    value = -weibull_min.logpdf(z, *found).sum() + SHAPE_REG * found[2] ** 2
    return value if np.isfinite(value) else np.inf


def compare(samples: list[np.ndarray]) -> dict[str, float]:
    """End points and objectives of both, where there is an interior maximum (shape above 1)."""
    apart, above = [], []  # scipy's best interior end and ours
    for x, ours in zip(samples, weibull.fit(samples), strict=True):
        if ours.problem:
            continue
        z, extent = rescaled(x), np.ptp(x)
        inside = [found for found in as_published(z) if found[0] > 1]
        if not inside:
            continue
        best = min(inside, key=lambda found: objective(z, found))
        mine = (ours.shape, (x.max() - ours.end_point) / extent, ours.scale / extent)
        above.append(objective(z, mine) - objective(z, best))
        apart.append(abs((x.max() - extent * best[1]) / ours.end_point - 1))
    return {
        "compared": len(apart),
        "end_points_within_1e-3": float(np.mean(np.array(apart) < 1e-3)),
        "largest_difference": float(np.max(apart)),
        "objective_above_scipy": float(np.max(above)),
    }


def table_row(row: dict) -> str:
    """A line of the table."""
    return (
        f"{row['arrays']:4} arrays of {row['maxima']:3} maxima: toolkit {row['toolkit']:7.0f}, "
        f"scipy {row['scipy']:5.2f} arrays a second: {row['ratio']:6.0f} times; end points of "
        f"{row['compared']} compared: {row['end_points_within_1e-3']:.0%} within 1e-3, largest "
        f"difference {row['largest_difference']:.1e}; objective at most "
        f"{row['objective_above_scipy']:.0e} above scipy's best"
    )


if __name__ == "__main__":
    main()
