"""How iterations, N and the radius change a score and its interval: a figure and tables.

    python benchmarks/curves.py LONG... --radii FOLDER --figure FILE

LONG are .mat files of long runs, one a network, of one target each. Their first iterations give
shorter runs, and merged iterations a larger N. The folder of --radii holds files of the same
images and targets with other radii.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lipschitz.results import matfile, scoring
from lipschitz.results.matfile import Record
from lipschitz.results.report.drawing import COLOURS
from lipschitz.results.scoring import Score
from lipschitz.support.atomic import replacing

ITERATIONS = (25, 50, 100, 200, 400, 800, 1500)
MERGED = (1, 2, 4, 8, 16)
NORM = "2"


def main() -> None:
    """Score parts of the long runs and the other radii, print tables, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("long", nargs="+", type=Path)
    parser.add_argument("--radii", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True)
    args = parser.parse_args()
    radii = scoring.load(scoring.find_files([args.radii])).records
    figure = Figure(figsize=(10, 2.9 * len(args.long)), dpi=120, layout="constrained")
    rows = figure.subplots(len(args.long), 3, sharey="row", squeeze=False)
    for path, axes in zip(args.long, rows, strict=True):
        record = matfile.load(path)
        curves = {
            "iterations (N = 1024)": of_iterations(record),
            "N (same number of maxima)": of_samples(record),
            "radius of the ball": of_radii(record, radii),
        }
        for (what, curve), each in zip(curves.items(), axes, strict=True):
            print_table(record, what, curve)
            draw(each, what, curve)
        axes[0].set_ylim(0, 1.1 * axes[0].get_ylim()[1])  # of all three
        axes[0].legend(frameon=False, fontsize="x-small")
        axes[0].set_ylabel(f"{record.model.replace('_', ' ')}\nL2 score")
    with replacing(args.figure, args.figure.suffix) as unfinished:
        figure.savefig(unfinished)


def of_iterations(record: Record) -> dict[float, Score]:
    """The score of the first iterations, by their number."""
    there = [count for count in ITERATIONS if count <= len(record.maxima[NORM])]
    return scored(there, (scoring.first_maxima(record, count) for count in there))


def of_samples(record: Record) -> dict[float, Score]:
    """The score of a larger N, from equally many maxima each."""
    count = len(record.maxima[NORM]) // max(MERGED)
    nsamp = record.name.nsamp
    return scored([nsamp * m for m in MERGED], (merged(record, m, count) for m in MERGED))


def merged(record: Record, m: int, count: int) -> Record:
    """The first `count` maxima of m iterations each."""
    maxima = {
        norm: x[: count * m].reshape(count, m).max(axis=1) for norm, x in record.maxima.items()
    }
    return replace(record, maxima=maxima)


def of_radii(record: Record, others: list[Record]) -> dict[float, Score]:
    """The score of the same image and target, by radius."""
    same = [
        each
        for each in others
        if (each.name.image_id, each.name.target_label)
        == (record.name.image_id, record.name.target_label)
        and each.provenance["network"] == record.provenance["network"]
    ]
    same.sort(key=lambda each: each.provenance["radius"])
    return scored([each.provenance["radius"] for each in same], same)


def scored(values: Iterable[float], records: Iterable[Record]) -> dict[float, Score]:
    """The score of each record, by its value."""
    scores = [each for each in scoring.score(list(records)) if each.norm == NORM]
    return dict(zip(values, scores, strict=True))


def print_table(record: Record, what: str, curve: dict[float, Score]) -> None:
    """The curve as Markdown."""
    print(f"\n{record.model}\n\n| {what} | score | interval | shape | margin / largest maximum |")
    print("| --- | --- | --- | --- | --- |")
    for value, score in curve.items():
        interval = "" if score.interval is None else f"{score.low:.3g} to {score.high:.3g}"
        least = score.file.g_x0 / score.maxima.max()
        shown = f"{score.score:.3g} | {interval} | {score.fit.shape:.3g} | {least:.3g}"
        print(f"| {value:g} | {shown} |")


def draw(axes: Axes, what: str, curve: dict[float, Score]) -> None:
    """Scores with their intervals, the margin over the largest maximum, and the attack."""
    values, scores = list(curve), list(curve.values())
    with_interval = [(value, each) for value, each in curve.items() if each.interval is not None]
    for value, each in with_interval:
        axes.plot([value, value], [each.low, each.high], color=COLOURS["faint"], lw=3, zorder=1)
    axes.plot(
        values, [each.score for each in scores], "o-", color=COLOURS["ink"], label="score", ms=4
    )
    least = [each.file.g_x0 / each.maxima.max() for each in scores]
    axes.plot(values, least, ":", color=COLOURS["ink"], label="margin / largest norm seen")
    if distances := [each.distance for each in scores if each.distance is not None]:
        axes.axhline(min(distances), color=COLOURS["vermillion"], ls="--", label="attack")
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [f"{value:g}" for value in values], fontsize="small")
    axes.minorticks_off()
    axes.set_xlabel(what)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
