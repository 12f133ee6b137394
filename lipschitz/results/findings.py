"""What makes the scores of an experiment worth less, in words, with what to do about it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lipschitz.maths.chance import is_guessing
from lipschitz.maths.scores import PRINTED_NORMS
from lipschitz.maths.weibull import FEW_MAXIMA
from lipschitz.results import scoring
from lipschitz.results.remarks import options_to_reach_all
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import FITTED, Score
from lipschitz.support.text import DOUBT


@dataclass(frozen=True)
class Finding:
    """Something to know before scores are quoted.

    `text` is one line; `advice`, whole sentences, says what to do. It is a warning, or else only to
    be known.
    """

    text: str
    advice: str
    is_warning: bool = True
    begin: str = "warning: "  # of the line of a warning

    @property
    def line(self) -> str:
        """The line that is printed."""
        return f"{self.begin}{self.text}" if self.is_warning else self.text


def findings(scored: Scored) -> list[Finding]:
    """What is to be said of an experiment, in the order in which it is printed."""
    return [*of_images(scored), *_of_scores(scored), *_of_sampling(scored)]


def images_line(scored: Scored) -> str:
    """How many images of an experiment have a score."""
    number, wrong = images_taken(scored)
    if number is None:
        return f"scored: {len(scored.images)} images"
    return f"scored: {len(scored.images)} of {number} images; {wrong} are classified wrongly"


def images_taken(scored: Scored) -> tuple[int | None, int]:
    """How many images the run took, None if its files do not say, and how many it got wrong."""
    members = scored.members
    if any(record.wrong_images is None for record in members):
        return None, 0
    there = {record.name.image_id for record in members}
    wrong = frozenset().union(*{record.wrong_images for record in members}) - there
    return len(there | wrong), len(wrong)


def of_images(scored: Scored) -> Iterator[Finding]:
    """Whether the network gets no more images right than guessing does."""
    number, wrong = images_taken(scored)
    num_labels = scored.members[0].num_labels
    if number is not None and num_labels and is_guessing(number - wrong, number, num_labels):
        yield Finding(
            f"{number - wrong} of {number} images are classified correctly, no more than "
            f"guessing gives: are these the labels and the range of values of the network?",
            "Scores of a network that guesses say nothing. Check the labels, the range of the "
            "inputs, their normalization and the order of the channels.",
        )


def _of_scores(scored: Scored) -> Iterator[Finding]:
    scores, method = scored.scores, scored.how.method
    fitted = scores if method in FITTED else []
    capped = ", and are printed as these" if scored.how.cap else ""
    attacked = [score for score in scores if score.distance is not None]
    counted = (
        (
            f"fits are of fewer than {FEW_MAXIMA} maxima, too few for three parameters",
            [len(score.maxima) < FEW_MAXIMA for score in fitted],
            "Three parameters follow any three numbers. Sample 50 iterations or more, and 500 for "
            "numbers that you publish.",
        ),
        (
            f"fits are replaced by the largest maximum, without an interval{_reasons(fitted)}",
            [bool(score.fit.problem) for score in fitted],
            "The largest maximum takes the place of the end point. If all maxima are equal, the "
            "steepest place was met in every iteration, and that is exact. Else sample more "
            "iterations.",
        ),
        (
            "constants still grow with N, beyond their intervals: sample with a larger -N",
            [score.grows for score in fitted],
            "These scores are probably too high: sample with a larger N before you take more "
            "iterations.",
        ),
        (
            f"scores are larger than the distances that were sampled{capped}",
            [score.is_outside for score in scores],
            "Such a score is an extrapolation: quote at most the distance that was sampled "
            f"(--cap), or sample a larger ball{_balls(scores)}.",
        ),
        (
            "scores are impossible: no valid input is so far away",
            [score.is_impossible for score in scores],
            "Such a number is no distance: the gradients say nothing about the network. Do not "
            "quote it.",
        ),
        (
            "scores are REFUTED and outside the sampled ball: sample a larger one",
            [score.is_refuted and score.is_outside for score in scores],
            "An attack found an input that is nearer than the score. Quote the attack's distance, "
            f"which is certain, or sample a ball that reaches the score{_balls(scores)}.",
        ),
        (
            "scores are REFUTED: an attack needs less, so the samples missed steep places",
            [score.is_refuted and not score.is_outside for score in scores],
            "Quote the attack's distance, which is certain, and not the score, and give the number "
            f"of refuted scores with each mean. {_within(scores)}If many are refuted and more "
            "samples do not change that, the network hides its steep places from sampling.",
        ),
        (
            "attacks found no input with a margin of 0 or less: collect_gradients.py --attack 200 "
            "tries harder",
            [score.distance == np.inf for score in attacked],
            "Nothing bounds these scores from above yet. Rerun the command that sampled with "
            "--attack 200: nothing is sampled again.",
        ),
    )
    for what, holds, advice in counted:
        if any(holds):
            yield Finding(f"{sum(holds)} of {len(holds)} {what}", advice)
    yield from _of_penalty(scores, method)
    if unknown := sum(score.file.limits is None for score in scores):
        yield Finding(
            f"{unknown} of {len(scores)} scores cannot be compared with what was sampled",
            "The files do not tell how far they sampled, as files of 2018 do not: sample again to "
            "learn whether the scores lie inside the ball.",
            is_warning=False,
        )


def _balls(scores: Sequence[Score]) -> str:
    """The options that reach all scores of each norm, after a colon; empty if none are known."""
    found = options_to_reach_all(scores)
    named = "; ".join(f"{options} for L{PRINTED_NORMS[norm]}" for norm, options in found.items())
    return f": {named}" if named else ""


def _within(scores: Sequence[Score]) -> str:
    """How many attacks came nearer than a score, but not than its interval."""
    refuted = [each for each in scores if each.is_refuted and not each.is_outside]
    within = sum(each.low is not None and each.distance >= each.low for each in refuted)
    if not within:
        return ""
    return (
        f"{within} of these attacks lie within the interval of the score, which more iterations "
        "narrow. "
    )


def _of_penalty(scores: Sequence[Score], method: str) -> Iterator[Finding]:
    """Whether the penalty alone bounds constants."""
    intervals = [score.interval for score in scores if score.interval is not None]
    unbounded = sum(not interval.bounded for interval in intervals)
    if unbounded:
        penalty = method == "mle_reg"
        yield Finding(
            f"{unbounded} of {len(intervals)} constants are not bounded by their maxima alone: "
            + (
                "the penalty decides how large they can be"
                if penalty
                else "their scores can be near 0"
            ),
            "The lower ends of these intervals follow from the published method, not from the "
            "data. More iterations help if the shape is below 8."
            if penalty
            else "Take --method mle_reg, the published method, or sample more iterations.",
            is_warning=False,
        )


def _of_sampling(scored: Scored) -> Iterator[Finding]:
    """What sampling found suspicious in the network."""
    for doubt in scoring.doubts(scored.members):
        yield Finding(doubt, "", begin=DOUBT)


def _reasons(fitted: Sequence[Score]) -> str:
    """How many fits are replaced for each reason, in brackets; empty if none is."""
    counts = Counter(re.sub(r" is [-\d.e]+$", "", each.fit.problem) for each in fitted)
    del counts[""]
    named = ", ".join(f"{reason}: {count}" for reason, count in counts.items())
    return f" ({named})" if counts else ""
