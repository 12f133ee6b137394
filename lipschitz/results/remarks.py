"""What is to be said against a single score, and what to do about it."""

from collections.abc import Iterator, Sequence

import numpy as np

from lipschitz.maths.ball import NORM_OF_BALL
from lipschitz.maths.interval import REGULAR_SHAPE
from lipschitz.maths.scores import PRINTED_NORMS
from lipschitz.results.scoring import Score
from lipschitz.settings import radius_of

MUCH_LARGER = 2.0  # times a radius: a larger ball of another norm holds little of the score's


def remarks(score: Score) -> Iterator[str]:
    """What is to be said against a score, and what to do about it."""
    limits = score.file.limits
    if score.fit.problem:
        yield f"scored by the maximum: {score.fit.problem}"
    elif score.interval is not None and score.interval.irregular:
        yield f"irregular: the shape is below {REGULAR_SHAPE:g}, so the interval is a rough one"
    if score.is_impossible:
        yield f"impossible: no valid input is farther than {limits.farthest[score.norm]:.5g}"
    elif score.is_outside:
        sampled = f"sampled up to the distance {limits.sampled[score.norm]:.5g}"
        options = options_to_reach(score)
        yield f"outside: {sampled}" + (f"; {options} reaches it" if options else "")
    if score.grows:
        grown = ", ".join(f"{each:.5g} at {m}N" for m, each in score.merged.items())
        yield f"grows: the constant is {score.fit.end_point:.5g}, and {grown}"


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
