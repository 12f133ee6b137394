"""How often the intervals of end points, of means and of differences cover what they should.

    python benchmarks/coverage.py [FOLDER_OR_FILE ...] [--run 50] [--repeats 300] [--json FILE]

Three tables in Markdown. The first is of made-up maxima, whose end point is known: of every shape
and number of maxima `--repeats` arrays. The second is of the made-up scores of two networks: how
often the interval of a mean score covers it, and that of a mean difference. The third is of the
.mat files that are named: each array is cut into runs of `--run` maxima, and the end point that
they should cover is that of the fit to all maxima. It is an estimate itself, from the same numbers,
so the third table is no test of the level: it shows whether short runs agree with long ones.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures
from lipschitz.maths.interval import LEVEL, intervals
from lipschitz.maths.scores import interval_of_difference, interval_of_mean
from lipschitz.maths.weibull import fit
from lipschitz.results import scoring
from lipschitz.results.attacked import SHOWN

SHAPES, LENGTHS = (1.5, 2.5, 5, 10, 20), (25, 50, 200, 500)
END_POINT = 10.0
COLUMNS = ("coverage", "below", "above", "bounded", "ill-conditioned")
IMAGES = (10, 30, 100)
RATIO = 1.2  # of the second network's scores to the first's, in the mean
# how hard images are, with mean 1
HARDNESS = {
    "gamma, shape 8": lambda rng, n: rng.gamma(8, 1 / 8, n),
    "gamma, shape 2": lambda rng, n: rng.gamma(2, 1 / 2, n),
    "log-normal, 0.4": lambda rng, n: log_normal(rng, 0.4, n),
    "log-normal, 0.8": lambda rng, n: log_normal(rng, 0.8, n),
}
NOISE = (0.1, 0.3)  # of each network, log-normal; 0.2 to 0.4 in scores of the digits


def main() -> None:
    """Print the tables and write the figures."""
    parser = figures.parser(__file__, __doc__)
    parser.add_argument("places", nargs="*", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--run", type=int, default=50, help="maxima of a run")
    parser.set_defaults(repeats=300)
    args = parser.parse_args()

    print(heading("shape", "maxima"))
    made_up = []
    for shape in SHAPES:
        for n in LENGTHS:
            made_up.append({"shape": shape, "maxima": n, **of_shape(shape, n, args.repeats)})
            print(table_row(made_up[-1], "shape", "maxima"), flush=True)

    print()
    print(heading("hardness", "noise", "images", columns=("mean", "difference")))
    means = []
    for hardness in HARDNESS:
        for noise in NOISE:
            for n in IMAGES:
                named = {"hardness": hardness, "noise": noise, "images": n}
                means.append({**named, **of_means(hardness, noise, n, args.repeats)})
                row = table_row(means[-1], *named, columns=("mean", "difference"))
                print(row, flush=True)

    runs = []
    if args.places:
        records = scoring.load(scoring.find_files(args.places)).records
        print()
        print(heading("gradient norm", "runs"))
        for norm, name in SHOWN.items():
            arrays = [each.maxima[norm] for each in records if norm in each.maxima]
            runs.append({"gradient norm": name, **of_runs(arrays, args.run)})
            print(table_row(runs[-1], "gradient norm", "runs"))
    figures.write({"made_up": made_up, "means": means, "runs": runs}, args.json)


def of_shape(shape: float, n: int, count: int) -> dict[str, float]:
    """Arrays of n reverse Weibull maxima with a known end point."""
    rng = np.random.default_rng([int(10 * shape), n])
    samples = list(END_POINT - rng.weibull(shape, (count, n)))
    return covering(samples, np.full(count, END_POINT))


def of_means(hardness: str, noise: float, n: int, count: int) -> dict[str, float]:
    """The shares of the intervals of a mean score and of a mean difference that cover them.

    Of n images, `count` times. The score of an image is how hard it is, times a noise of the
    network's own with mean 1: the mean of the first network's is 1, that of the second `RATIO`.
    """
    rng = np.random.default_rng([n, int(10 * noise)])
    covers_mean = covers_difference = 0
    for _ in range(count):
        first, second = two_networks(rng, hardness, noise, n)
        low, high = interval_of_mean(first, LEVEL)
        covers_mean += low <= 1 <= high
        low, high = interval_of_difference(second - first, LEVEL)
        covers_difference += low <= RATIO - 1 <= high
    return {"mean": covers_mean / count, "difference": covers_difference / count}


def two_networks(
    rng: np.random.Generator, hardness: str, noise: float, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n images from two networks, with the means 1 and `RATIO`."""
    hard = HARDNESS[hardness](rng, n)
    return hard * log_normal(rng, noise, n), RATIO * hard * log_normal(rng, noise, n)


def log_normal(rng: np.random.Generator, sigma: float, n: int) -> np.ndarray:
    """Log-normal numbers with mean 1."""
    return rng.lognormal(-(sigma**2) / 2, sigma, n)


def of_runs(arrays: list[np.ndarray], length: int) -> dict[str, float]:
    """Runs of `length` maxima, against the end point of all maxima of their array."""
    samples, end_points = [], []
    for x, fitted in zip(arrays, fit(arrays), strict=True):
        if not fitted.problem:
            runs = [x[i : i + length] for i in range(0, len(x) - length + 1, length)]
            samples += runs
            end_points += [fitted.end_point] * len(runs)
    return {"runs": len(samples), **covering(samples, np.array(end_points))}


def covering(samples: list[np.ndarray], end_points: np.ndarray) -> dict[str, float]:
    """Of the arrays that have an interval: the share that covers, the median widths, ...

    `below` and `above` are how far the interval reaches from the fitted end point, over it.
    """
    fits = fit(samples)
    found = intervals(samples, fits)
    rows = [
        (
            each.low <= end_point <= each.high,
            1 - each.low / fitted.end_point,
            each.high / fitted.end_point - 1,
            each.bounded,
        )
        for each, fitted, end_point in zip(found, fits, end_points, strict=True)
        if each is not None
    ]
    covers, below, above, bounded = np.array(rows, dtype=float).reshape(-1, 4).T
    return {
        "coverage": float(covers.mean()),
        "below": float(np.median(below)),
        "above": float(np.median(above)),
        "bounded": float(bounded.mean()),
        "ill-conditioned": 1 - len(rows) / len(samples),
    }


def heading(*names: str, columns: Sequence[str] = COLUMNS) -> str:
    """The first two lines of a table."""
    cells = (*names, *columns)
    return f"| {' | '.join(cells)} |\n|{' ---: |' * len(cells)}"


def table_row(row: dict, *names: str, columns: Sequence[str] = COLUMNS) -> str:
    """A line of the table."""
    cells = [str(row[name]) for name in names] + [f"{row[name]:.1%}" for name in columns]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
