"""A picture of one fit: the maxima, the fitted density, the end point."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lipschitz.maths.weibull import Fit, density
from lipschitz.support.atomic import replacing

GRADIENT_NORMS = {"1": "$L_1$", "2": "$L_2$", "i": r"$L_\infty$"}
INK, FAINT, ACCENT = "#1f2933", "#9fb3c8", "#c2410c"


def plot_fit(path: Path, maxima: np.ndarray, fit: Fit, title: str, what: str) -> None:
    """Draw a histogram of the maxima (n,) of `what`, with the fit over it."""
    figure = Figure(figsize=(6.4, 4), dpi=120)
    axes = figure.add_axes((0.11, 0.14, 0.86, 0.78))
    # maxima that differ in their last bits only have no room for bins
    bins = "auto" if np.ptp(maxima) > 1e-9 * maxima.max() else 1
    axes.hist(maxima, bins=bins, density=True, color=FAINT, label=f"{len(maxima)} maxima")
    fitted = fit.shape > 0
    if fitted:
        x = np.linspace(min(maxima.min(), fit.end_point), fit.end_point, 400)
        label = f"reverse Weibull, shape {fit.shape:.3g}, p = {fit.p_value:.2g}"
        axes.plot(x, density(fit, x), color=INK, label=label)
    kind = "end point" if fitted else f"largest maximum ({fit.problem or 'not fitted'})"
    axes.axvline(fit.end_point, color=ACCENT, ls="--", label=f"{kind} {fit.end_point:.5g}")
    axes.set_xlabel(f"largest {what} in an iteration")
    axes.set_ylabel("density")
    axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize="small")
    axes.margins(x=0.03)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)  # room for the legend
    with replacing(path, path.suffix) as unfinished:
        figure.savefig(unfinished)
