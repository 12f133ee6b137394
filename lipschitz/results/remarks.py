"""What is to be said against a single score, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lipschitz.maths.ball import NORM_OF_BALL
from lipschitz.maths.interval import REGULAR_SHAPE
from lipschitz.maths.scores import PRINTED_NORMS
from lipschitz.maths.weibull import ALL_EQUAL
from lipschitz.results.scoring import REFUTED, Score
from lipschitz.settings import radius_of

MUCH_LARGER = 2.0  # times a radius: a larger ball of another norm holds little of the score's


@dataclass(frozen=True)
class Remark:
    """What is to be said against a score.

    `word` marks it in a table, `line` is printed below its fit (empty if another line tells it),
    `said` and `advice` are whole sentences. The worst has the least rank.
    """

    word: str
    line: str
    said: str
    advice: str
    rank: int


def remarks(score: Score) -> Iterator[Remark]:
    """What is to be said against a score, in the order in which it is printed."""
    if score.fit.problem:
        yield _replaced(score)
    elif score.interval is not None and score.interval.irregular:
        yield Remark(
            "irregular",
            f"irregular: the shape is below {REGULAR_SHAPE:g}, so the interval is a rough one",
            f"The shape of the fit is below {REGULAR_SHAPE:g}: the interval is a rough one.",
            "Take more iterations.",
            6,
        )
    if score.is_impossible:
        yield _impossible(score)
    elif score.is_outside:
        yield _outside(score)
    if score.grows:
        yield _grows(score)
    if score.is_refuted:
        yield _refuted(score)


def _replaced(score: Score) -> Remark:
    """A score without a fit."""
    problem = score.fit.problem
    word, line = "by the maximum", f"scored by the maximum: {problem}"
    if problem == ALL_EQUAL:
        said = "All maxima are equal: every iteration met the same steepest place."
        advice = "Nothing: the largest maximum is the constant, as for a linear network."
        return Remark(word, line, said, advice, 5)
    said = (
        f"There is no fit ({problem}): the largest maximum takes its place, and the score has no "
        "interval."
    )
    return Remark(word, line, said, "Sample more iterations.", 3)


def _impossible(score: Score) -> Remark:
    """A score that no valid input has."""
    farthest = score.file.limits.farthest[score.norm]
    return Remark(
        "impossible",
        f"impossible: no valid input is farther than {farthest:.5g}",
        f"No valid input is farther away than {farthest:.4g}.",
        "Do not quote it: the gradients say nothing about the network here.",
        0,
    )


def _outside(score: Score) -> Remark:
    """A score that is an extrapolation."""
    sampled, options = score.file.limits.sampled[score.norm], options_to_reach(score)
    beyond = "it is cut there" if score.cap else "beyond it the score is an extrapolation"
    quotable = not (score.cap or score.is_refuted)
    advice = f"Quote at most {sampled:.4g}, or" if quotable else "To learn more,"
    return Remark(
        "outside",
        f"outside: sampled up to the distance {sampled:.5g}"
        + (f"; {options} reaches it" if options else ""),
        f"The samples reach to {sampled:.4g} only: {beyond}.",
        f"{advice} sample a larger ball{f' ({options})' if options else ''}.",
        4,
    )


def _grows(score: Score) -> Remark:
    """A score whose constant is larger with more samples."""
    constants = [score.fit.end_point, *score.merged.values()]
    first, *grown = (f"{each:.5g}" for each in constants)
    told = ", ".join(f"{each} at {m}N" for each, m in zip(grown, score.merged, strict=True))
    return Remark(
        "grows",
        f"grows: the constant is {first}, and {told}",
        f"The constant is larger with more samples: {first}, and {told}.",
        "The score is probably too high: sample with a larger N.",
        2,
    )


def _refuted(score: Score) -> Remark:
    """A score above the distance that an attack needs; the attack has a line of its own."""
    distance = f"{score.distance:.4g}"
    within = score.low is not None and score.distance >= score.low
    return Remark(
        REFUTED,
        "",
        f"An attack found an input at {distance}, nearer than the score claims"
        + (", though within its interval." if within else "."),
        f"Quote the attack’s distance, {distance}, which is certain, and not the score.",
        1,
    )


def options_to_reach(score: Score) -> str:
    """The options that sample a ball in which a score lies; empty if the file tells too little."""
    record, norm = score.file, score.norm
    ball, radius = record.provenance.get("sample_norm"), radius_of(record.provenance)
    if not isinstance(ball, str) or ball not in NORM_OF_BALL or radius is None:
        return ""
    needed = radius * score.uncapped / record.limits.sampled[norm]
    if NORM_OF_BALL[ball] == norm or needed <= MUCH_LARGER * radius:
        return f"--radius {rounded_up(needed)}"
    own_ball = next(name for name, of_ball in NORM_OF_BALL.items() if of_ball == norm)
    return f"--sample_norm {own_ball} --radius {rounded_up(score.uncapped)}"


def options_to_reach_all(scores: Sequence[Score]) -> dict[str, str]:
    """By norm, the options that sample a ball in which all finite scores lie, if one does not."""
    found = {}
    for norm in PRINTED_NORMS:
        outside = [each for each in scores if each.norm == norm and each.is_outside]
        finite = [each for each in outside if np.isfinite(each.uncapped)]
        farthest = max(finite, key=lambda each: each.uncapped, default=None)
        if farthest is not None and (options := options_to_reach(farthest)):
            found[norm] = options
    return found


def rounded_up(value: float) -> str:
    """Two digits, not less than the value."""
    return f"{float(f'{value * 1.05:.2g}'):g}"
