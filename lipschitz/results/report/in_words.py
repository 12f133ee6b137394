"""Charts in words, for those who do not see them, and what stands below the charts."""

from collections.abc import Sequence

import numpy as np

from lipschitz.results import summary
from lipschitz.results.report import drawing, shown
from lipschitz.results.scoring import Score


def of_fit(score: Score) -> str:
    """A fit in words."""
    maxima, fit = score.maxima, score.fit
    text = (
        f"Histogram of {len(maxima)} maxima from {shown.number(float(maxima.min()))} to "
        f"{shown.number(float(maxima.max()))}. "
    )
    if fit.problem or fit.shape <= 0:
        return f"{text}Not fitted: the largest maximum is the end point."
    text += (
        f"A reverse Weibull distribution of shape {fit.shape:.3g} ends at "
        f"{shown.number(fit.end_point)}"
    )
    if score.interval is not None:
        ends = shown.interval((score.interval.low, score.interval.high))
        text += f", its interval is {ends}"
    return f"{text}; p = {fit.p_value:.2g}."


def of_scatter(scores: Sequence[Score], compared: Sequence[Score]) -> tuple[str, str]:
    """Scores beside attacks: in words, and what stands below the chart."""
    norm = shown.NORMS[scores[0].norm]
    refuted = sum(each.is_refuted for each in compared)
    ratios = [each.ratio for each in compared]
    label = (
        f"{norm} scores over the distances that attacks need: {len(compared)} points, {refuted} "
        f"above the diagonal. Ratios from {min(ratios):.2f} to {max(ratios):.2f}, median "
        f"{float(np.median(ratios)):.2f}."
    )
    caption = f"{norm}: {refuted} of {len(compared)} refuted."
    if worst := drawing.most_refuted(compared):
        caption += (
            f" Worst: {shown.image(worst.file)} to class {shown.target(worst.file)}, "
            f"{shown.number(worst.score)} against {shown.distance(worst)}."
        )
    if left_out := len(scores) - len(compared):
        caption += f" {left_out} scores are infinite or without a distance, and not shown."
    return label, caption


def of_distribution(norm: str, pairs: Sequence[summary.Pair]) -> tuple[str, str]:
    """The distribution of a norm's scores: in words, and what stands below the chart."""
    by_kind = {}
    for pair in pairs:
        by_kind.setdefault(pair.kind, []).append(pair.score)
    told = []
    for kind, scores in sorted(by_kind.items()):
        finite = [score for score in scores if np.isfinite(score)]
        if finite:
            first, middle, third = np.percentile(finite, (25, 50, 75))
            told.append(
                f"{kind}: {len(finite)} from {min(finite):.4g} to {max(finite):.4g}, quartiles "
                f"{first:.4g}, {middle:.4g}, {third:.4g}"
            )
    label = f"{shown.NORMS[norm]} scores by kind of target. {'; '.join(told)}."
    infinite = sum(bool(np.isinf(pair.score)) for pair in pairs)
    caption = f"{shown.NORMS[norm]}: {infinite} infinite scores are not shown." if infinite else ""
    return label, caption
