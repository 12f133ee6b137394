"""A picture of one fit: the maxima, the fitted density, the end point."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lipschitz.maths.weibull import Fit
from lipschitz.results.report.drawing import draw_fit
from lipschitz.support.atomic import replacing

GRADIENT_NORMS = {"1": "$L_1$", "2": "$L_2$", "i": r"$L_\infty$"}


def plot_fit(path: Path, maxima: np.ndarray, fit: Fit, title: str, what: str) -> None:
    """Draw a histogram of the maxima (n,) of `what`, with the fit over it."""
    figure = Figure(figsize=(6.4, 4), dpi=120)
    axes = figure.add_axes((0.11, 0.14, 0.86, 0.78))
    draw_fit(axes, maxima, fit)
    axes.set_xlabel(f"largest {what} in an iteration")
    axes.set_ylabel("density")
    axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize="small")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)  # room for the legend
    with replacing(path, path.suffix) as unfinished:
        figure.savefig(unfinished)
