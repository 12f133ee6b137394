"""How often the interval of an end point covers it, and how wide it is.

    python benchmarks/coverage.py [FOLDER_OR_FILE ...] [--run 50] [--repeats 300] [--json FILE]

Two tables in Markdown. The first is of made-up maxima, whose end point is known: of every shape
and number of maxima `--repeats` arrays. The second is of the .mat files that are named: each array
is cut into runs of `--run` maxima, and the end point that they should cover is that of the fit to
all maxima. It is an estimate itself, from the same numbers, so the second table is no test of the
level: it shows whether short runs agree with long ones.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures
from lipschitz.maths.interval import intervals
from lipschitz.maths.weibull import fit
from lipschitz.results import scoring
from lipschitz.results.attacked import SHOWN

SHAPES, LENGTHS = (1.5, 2.5, 5, 10, 20), (25, 50, 200, 500)
END_POINT = 10.0
COLUMNS = ("coverage", "below", "above", "bounded", "ill-conditioned")


def main() -> None:
    """Print both tables and write the figures."""
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

    runs = []
    if args.places:
        records = scoring.load(scoring.find_files(args.places)).records
        print()
        print(heading("gradient norm", "runs"))
        for norm, name in SHOWN.items():
            arrays = [each.maxima[norm] for each in records if norm in each.maxima]
            runs.append({"gradient norm": name, **of_runs(arrays, args.run)})
            print(table_row(runs[-1], "gradient norm", "runs"))
    figures.write({"made_up": made_up, "runs": runs}, args.json)


def of_shape(shape: float, n: int, count: int) -> dict[str, float]:
    """Arrays of n reverse Weibull maxima with a known end point."""
    rng = np.random.default_rng([int(10 * shape), n])
    samples = list(END_POINT - rng.weibull(shape, (count, n)))
    return covering(samples, np.full(count, END_POINT))


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


def heading(*names: str) -> str:
    """The first two lines of a table."""
    cells = (*names, *COLUMNS)
    return f"| {' | '.join(cells)} |\n|{' ---: |' * len(cells)}"


def table_row(row: dict, *names: str) -> str:
    """A line of the table."""
    cells = [str(row[name]) for name in names] + [f"{row[name]:.1%}" for name in COLUMNS]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
