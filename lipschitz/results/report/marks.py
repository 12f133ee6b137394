"""What marks a score: why it cannot be quoted as it is, in whole sentences, with what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lipschitz.maths.weibull import ALL_EQUAL
from lipschitz.results.remarks import options_to_reach
from lipschitz.results.scoring import REFUTED, Score

SMALL_P_VALUE = 0.05
MOST_LOOKED_AT, FEWEST_LOOKED_AT = 50, 6


@dataclass(frozen=True)
class Mark:
    """A word, what it says of a score, and what to do about it; the worst has the least rank."""

    word: str
    said: str
    advice: str
    rank: int


def marks(score: Score) -> list[Mark]:
    """The marks of a score, the worst first; none if nothing is to be said against it."""
    return sorted(_marks(score), key=lambda mark: mark.rank)


def _marks(score: Score) -> Iterator[Mark]:
    fit, limits = score.fit, score.file.limits
    if score.is_impossible:
        yield Mark(
            "impossible",
            f"No valid input is farther away than {limits.farthest[score.norm]:.4g}.",
            "Do not quote it: the gradients say nothing about the network here.",
            0,
        )
    if score.is_refuted:
        within = score.low is not None and score.distance >= score.low
        yield Mark(
            REFUTED,
            f"An attack found an input at {score.distance:.4g}, nearer than the score claims"
            + (", though within its interval." if within else "."),
            f"Quote the attack’s distance, {score.distance:.4g}, which is certain, and not the "
            "score.",
            1,
        )
    if score.grows:
        grown = ", ".join(f"{each:.4g} at {m}N" for m, each in score.merged.items())
        yield Mark(
            "grows",
            f"The constant is larger with more samples: {fit.end_point:.4g}, and {grown}.",
            "The score is probably too high: sample with a larger N.",
            2,
        )
    if fit.problem == ALL_EQUAL:
        yield Mark(
            "by the maximum",
            "All maxima are equal: every iteration met the same steepest place.",
            "Nothing: the largest maximum is the constant, as for a linear network.",
            5,
        )
    elif fit.problem:
        yield Mark(
            "by the maximum",
            f"There is no fit ({fit.problem}): the largest maximum takes its place, and the score "
            "has no interval.",
            "Sample more iterations.",
            3,
        )
    if score.is_outside and not score.is_impossible:
        reach = f"{limits.sampled[score.norm]:.4g}"
        beyond = "it is cut there" if score.cap else "beyond it the score is an extrapolation"
        advice = (
            f"Quote at most {reach}, or"
            if not (score.cap or score.is_refuted)
            else "To learn more,"
        )
        yield Mark(
            "outside",
            f"The samples reach to {reach} only: {beyond}.",
            f"{advice} sample a larger ball{_how(score)}.",
            4,
        )


def _how(score: Score) -> str:
    """The options of a larger ball, in brackets."""
    options = options_to_reach(score)
    return f" ({options})" if options else ""


def to_look_at(scores: Sequence[Score], most: int = MOST_LOOKED_AT) -> list[Score]:
    """The scores whose fits need a look, the worst first.

    These are the refuted and impossible ones, those without a fit and those that grow; then those
    with a small p-value. If they are few, the smallest p-values follow.
    """
    ranked = sorted(scores, key=_badness)
    urgent = sum(_badness(each)[0] <= _P_VALUE for each in ranked)
    return ranked[: min(max(urgent, FEWEST_LOOKED_AT), most)]


_P_VALUE, _OTHERS = 4, 5


def _badness(score: Score) -> tuple[int, float, float]:
    """A key that sorts the worst score first."""
    rank = min((mark.rank for mark in marks(score)), default=_OTHERS)
    fitted = score.fit.p_value >= 0
    if rank >= _P_VALUE:
        rank = _P_VALUE if fitted and score.fit.p_value < SMALL_P_VALUE else _OTHERS
    ratio = -(score.ratio or 0) if score.is_refuted else 0.0
    return rank, ratio if np.isfinite(ratio) else -np.inf, score.fit.p_value if fitted else 2.0
