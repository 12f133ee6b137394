"""The charts of reports and papers: fits, scores beside attacks, their distribution, means.

Each function returns a figure as wide as a column of text, without a title. Colours are those of
Okabe and Ito, which people who see few colours can tell apart; markers differ as well.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from lipschitz.maths.interval import Interval
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.maths.weibull import Fit, density
from lipschitz.results import summary
from lipschitz.results.report import shown
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score
from lipschitz.support.atomic import replacing

COLOURS = {
    "ink": "#1f2933",
    "soft": "#62707d",
    "faint": "#9fb3c8",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
}
KINDS = (("blue", "o"), ("green", "s"), ("purple", "D"), ("orange", "v"), ("soft", "P"))
WIDTH = 3.3  # inches: a column
MOST_BINS = 60
WIDE = 30  # times the smallest value: the axis is logarithmic
PIXELS = 300  # an inch

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 8,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["soft"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.handletextpad": 0.3,
    "text.parse_math": False,  # a name may hold any text
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "clever",  # the same drawing gives the same bytes
    "pdf.fonttype": 42,  # the font itself is in the file
}
in_style = matplotlib.style.context(["default", STYLE])  # whatever the reader's own style is


@in_style
def fit(score: Score) -> Figure:
    """The maxima of a score, with their fit, its end point and the interval of that."""
    figure = Figure(figsize=(WIDTH, 1.9))  # a layout would take half of the time
    axes = figure.add_axes((0.03, 0.21, 0.94, 0.77))
    draw_fit(axes, score.maxima, score.fit, score.interval)
    axes.set_xlabel(f"largest {of_maxima(score)} in an iteration")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return figure


def of_maxima(score: Score) -> str:
    """What the maxima of a score are of."""
    if score.file.name.order == 2:
        return "curvature"
    return f"{shown.NORMS[DUAL_NORM[score.norm]]} norm of the gradient"


def draw_fit(axes: Axes, maxima: np.ndarray, fit: Fit, interval: Interval | None = None) -> None:
    """Draw a histogram of the maxima (n,), the density of their fit over it, and its end point."""
    edges = _edges(maxima)
    heights = np.histogram(maxima, edges)[0] / len(maxima) / np.diff(edges)
    axes.stairs(
        heights, edges, fill=True, color=COLOURS["faint"], label=f"{len(maxima)} maxima", lw=0
    )
    fitted = fit.shape > 0
    if fitted:
        x = np.linspace(min(maxima.min(), fit.end_point), fit.end_point, 120)
        label = f"reverse Weibull, shape {fit.shape:.3g}, p = {fit.p_value:.2g}"
        axes.plot(x, density(fit, x), color=COLOURS["ink"], lw=1.2, label=label)
    kind = "end point" if fitted else f"largest maximum ({fit.problem or 'not fitted'})"
    label = f"{kind} {fit.end_point:.5g}"
    axes.axvline(fit.end_point, color=COLOURS["vermillion"], ls="--", lw=1.2, label=label)
    if interval is not None:
        farthest = fit.end_point + 0.6 * (fit.end_point - edges[0])  # a longer one runs out of it
        ends = interval.low, min(interval.high, farthest)
        axes.axvspan(*ends, color=COLOURS["vermillion"], alpha=0.18, lw=0)
    axes.margins(x=0.03)
    if interval is not None and interval.high > farthest:
        axes.set_xlim(right=farthest)


def _edges(maxima: np.ndarray) -> np.ndarray:
    """The edges of a histogram's bins: as many as Sturges or Freedman and Diaconis ask for."""
    low, high = float(maxima.min()), float(maxima.max())
    if high - low <= 1e-9 * high:  # maxima that differ in their last bits have no room for bins
        room = 0.01 * high or 0.01
        return np.array([low - room, high + room])
    first, third = np.percentile(maxima, (25, 75))
    width = 2 * (third - first) / len(maxima) ** (1 / 3)
    wanted = (high - low) / width if width else 0
    count = max(np.log2(len(maxima)) + 1, min(wanted, MOST_BINS))
    return np.linspace(low, high, int(np.ceil(count)) + 1)


@in_style
def against_attacks(scores: Sequence[Score]) -> Figure:
    """Scores of one norm over the distances that attacks need: what is above the line is refuted.

    The worst is named. Left out are scores that are infinite, and attacks that found nothing.
    """
    compared = comparable(scores)
    figure = Figure(figsize=(WIDTH, 3.15), layout="constrained")
    axes = figure.add_subplot()
    values = [value for each in compared for value in (each.score, each.distance)]
    low, high = _limits(axes, values, "xy")
    axes.fill_between([low, high], [low, high], high, color=COLOURS["vermillion"], alpha=0.07, lw=0)
    axes.plot([low, high], [low, high], color=COLOURS["soft"], lw=0.8)
    for refuted, colour, marker in ((False, "blue", "o"), (True, "vermillion", "^")):
        points = [each for each in compared if each.is_refuted == refuted]
        if points:
            axes.plot(
                [each.distance for each in points],
                [each.score for each in points],
                marker,
                color=COLOURS[colour],
                ms=5 if refuted else 4,
                mew=0,
                alpha=0.8 if len(points) < 200 else 0.4,
                label=f"{'refuted' if refuted else 'not refuted'} ({len(points)})",
            )
    if worst := most_refuted(compared):
        _name(axes, worst)
    axes.set(xlim=(low, high), ylim=(low, high))
    norm = shown.NORMS[scores[0].norm]
    axes.set_xlabel(f"distance that the attack needs, {norm}")
    axes.set_ylabel(f"score, {norm}")
    above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0}  # no point is there
    axes.legend(**above, ncols=2, columnspacing=1)
    return figure


def comparable(scores: Iterable[Score]) -> list[Score]:
    """The scores that can stand beside an attack: both are finite and above 0."""
    return [
        each
        for each in scores
        if each.distance and np.isfinite(each.distance) and each.score and np.isfinite(each.score)
    ]


def most_refuted(scores: Iterable[Score]) -> Score | None:
    """The refuted score that is the largest multiple of the attack's distance."""
    refuted = [each for each in scores if each.is_refuted]
    return max(refuted, key=lambda each: each.ratio, default=None)


def _name(axes: Axes, score: Score) -> None:
    """Name the image and target of a point, in the corner that points seldom reach."""
    name = score.file.name
    axes.annotate(
        f"image {name.image_id} to class {name.target_label}",
        (score.distance, score.score),
        xytext=(0.04, 0.93),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": COLOURS["soft"], "linewidth": 0.6, "shrinkB": 3},
    )


def is_any_finite(scored: Scored, norm: str) -> bool:
    """Whether there is a distribution to draw."""
    return any(pair.norm == norm and np.isfinite(pair.score) for pair in scored.pairs)


@in_style
def distribution(scored: Scored, norm: str) -> Figure:
    """The finite scores of a norm by kind of target, with their mean and its interval."""
    of_kind = scored.averages
    kinds = [kind for kind, by_norm in of_kind.items() if norm in by_norm]
    figure = Figure(figsize=(WIDTH, 0.55 + 0.5 * len(kinds)), layout="constrained")
    axes = figure.add_subplot()
    finite = {kind: _finite(scored, kind, norm) for kind in kinds}
    _limits(axes, np.concatenate(list(finite.values())), "x")
    for row, kind in enumerate(kinds):
        colour, marker = KINDS[row % len(KINDS)]
        values = finite[kind]
        axes.plot(
            values,
            row - 0.12 + _offsets(values),
            marker,
            color=COLOURS[colour],
            ms=3,
            mew=0,
            alpha=0.7 if len(values) < 200 else 0.3,
        )
        _draw_mean(axes, row + 0.36, of_kind[kind][norm], "ink", "d")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"score, {shown.NORMS[norm]}")
    return figure


def _finite(scored: Scored, kind: str, norm: str) -> np.ndarray:
    """The finite scores of a kind of target and norm, sorted."""
    values = [each.score for each in scored.pairs if (each.kind, each.norm) == (kind, norm)]
    return np.sort([value for value in values if np.isfinite(value)])


def _offsets(values: np.ndarray) -> np.ndarray:
    """How far sorted values are moved aside, at most 0.3, to be seen: the denser, the farther."""
    if len(values) < 2 or values[0] == values[-1]:
        return np.zeros(len(values))
    counts, edges = np.histogram(values, min(len(values), 25))
    dense = counts[np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(counts) - 1)]
    aside = np.arange(len(values)) * 0.618034 % 1 * 2 - 1  # multiples of the golden ratio: even
    return 0.3 * aside * (dense - 1) / max(counts.max() - 1, 1)


@in_style
def means(scored: Scored) -> Figure:
    """The means of scores by norm and kind of target, with their intervals."""
    norms, of_kind = shown.norms_of(scored), scored.averages
    height = len(norms) * (0.45 + 0.2 * len(of_kind))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    for axes, norm in zip(np.ravel(figure.subplots(len(norms))), norms, strict=True):
        for row, kind in enumerate(of_kind):
            _draw_mean(axes, row, of_kind[kind][norm], *KINDS[row % len(KINDS)])
        axes.set_yticks(range(len(of_kind)), of_kind)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(of_kind) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.spines["left"].set_visible(False)
        word = "mean" if scored.how.average == "mean" else "least"
        axes.set_xlabel(f"{word} score, {shown.NORMS[norm]}")
    return figure


def _draw_mean(axes: Axes, row: float, average: summary.Average, colour: str, marker: str) -> None:
    """A mean with its interval, on a row of its own."""
    if not np.isfinite(average.score):
        return
    if average.interval is not None:
        axes.plot(average.interval, [row, row], color=COLOURS[colour], lw=1.2)
    axes.plot([average.score], [row], marker, color=COLOURS[colour], ms=5, mew=0)


def _limits(axes: Axes, values: Iterable[float], which: str) -> tuple[float, float]:
    """Set the scales of the axes "x" or "xy" to these values; the ends, with some room.

    Scales are logarithmic if the values differ much, and else begin at 0.
    """
    values = np.asarray([value for value in values if value > 0] or [1.0])
    low, high = float(values.min()), float(values.max())
    is_wide = high > WIDE * low
    ends = (low / 1.3, high * 1.3) if is_wide else (0.0, high * 1.08)
    for name in which:
        if is_wide:
            getattr(axes, f"set_{name}scale")("log")
            getattr(axes, f"{name}axis").set_major_formatter(FuncFormatter(_plain))
            getattr(axes, f"{name}axis").set_minor_formatter(NullFormatter())
        getattr(axes, f"set_{name}lim")(*ends)
    return ends


def _plain(value: float, position: int) -> str:
    return f"{value:g}"


@in_style
def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the form that the path's ending names; the same figure, the same bytes."""
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    with replacing(path, path.suffix) as unfinished:
        figure.savefig(unfinished, dpi=PIXELS, metadata=metadata)
    return path
