"""Can the means of an experiment be trusted? Counts by norm, and an answer in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lipschitz.maths.weibull import ALL_EQUAL
from lipschitz.results.report import shown
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score
from lipschitz.results.summary import Pair

NO, WITH_CARE, UNKNOWN, YES = "No", "With care", "Not known", "Nothing speaks against it"


@dataclass(frozen=True)
class Trust:
    """How many scores of a norm have something against them."""

    norm: str
    scores: int
    attacked: int
    measured: int  # whose files tell how far they sampled, and how far inputs can be
    refuted: int
    impossible: int
    outside: int  # and not impossible
    grows: int
    replaced: int  # fits that are not exact
    not_found: int  # attacks that found nothing
    infinite: int
    capped: bool  # whether those outside are cut to the distance that was sampled
    word: str  # what the scores become: "mean" or "least score"

    @property
    def answer(self) -> str:
        """Whether the mean can be quoted as a lower bound: the worst answer that holds."""
        return self._holding[0][0]

    @property
    def reason(self) -> str:
        """All that speaks against it, in sentences, the worst first; or that nothing does."""
        return " ".join(reason for _, reason in self._holding)

    @property
    def _holding(self) -> list[tuple[str, str]]:
        """The answers and reasons that hold."""
        found = [(answer, reason) for holds, answer, reason in self._reasons() if holds]
        fine = "No attack needs less than a score. It stays an estimate, not a certificate."
        return found or [(YES, fine)]

    def _reasons(self) -> Iterator[tuple[object, str, str]]:
        """Whether something holds, the answer if it does, and the reason; the worst first."""
        n = self.scores
        outside = _are(self.outside, n)
        yield (
            self.impossible,
            NO,
            f"{_are(self.impossible, n)} impossible: no input is so far away.",
        )
        refuted = _are(self.refuted, self.attacked)
        quote = f"so the {self.word} is no lower bound: give their number with it."
        yield self.refuted, NO, f"{refuted} refuted, {quote}"
        none = "No attack was run, so nothing bounds these scores from above."
        cut = f"{outside} cut to the distance that was sampled, and could be larger."
        beyond = f"{outside} larger than the distance that was sampled"
        far = f"{beyond}, so the {self.word} is an extrapolation."
        yield self.outside > n / 2 and not self.capped, NO, far
        yield not self.attacked, UNKNOWN, none
        some = f"Only {self.attacked} of {n} scores stand beside an attack."
        yield 0 < self.attacked < n, UNKNOWN, some
        nothing = f"{self.not_found} of {n} attacks found nothing that could refute their scores."
        yield self.not_found, UNKNOWN, nothing
        yield self.infinite, WITH_CARE, f"{_are(self.infinite, n)} infinite, and left out of it."
        grows = f"{_are(self.grows, n)} probably too high: their constants grow with N."
        yield self.grows, WITH_CARE, grows
        yield self.outside and self.capped, WITH_CARE, cut
        yield 0 < self.outside <= n / 2 and not self.capped, WITH_CARE, f"{beyond}."
        yield self.replaced, WITH_CARE, f"{self.replaced} of {n} scores have no fit behind them."


def _are(part: int, all_of_them: int) -> str:
    return f"{part} of {all_of_them} scores {'is' if part == 1 else 'are'}"


def by_norm(scored: Scored) -> list[Trust]:
    """The counts of each norm of an experiment."""
    return [
        _counted(
            norm,
            [each for each in scored.averaged if each.norm == norm],
            [each for each in scored.pairs if each.norm == norm],
            shown.averaged(scored),
        )
        for norm in shown.norms_of(scored)
    ]


def _counted(norm: str, scores: Sequence[Score], pairs: Sequence[Pair], word: str) -> Trust:
    attacked = [each for each in pairs if each.distance is not None]
    return Trust(
        norm,
        len(scores),
        len(attacked),
        measured=sum(each.file.limits is not None for each in scores),
        refuted=sum(each.score > each.distance for each in attacked),
        impossible=sum(each.is_impossible for each in scores),
        outside=sum(each.is_outside and not each.is_impossible for each in scores),
        grows=sum(each.grows for each in scores),
        replaced=sum(each.fit.problem not in ("", ALL_EQUAL) for each in scores),
        not_found=sum(each.distance == np.inf for each in attacked),
        infinite=sum(bool(np.isinf(each.score)) for each in scores),
        capped=any(each.cap for each in scores),
        word=word,
    )


def weakest(scores: Sequence[Score]) -> Score | None:
    """The image and target with the least finite score."""
    finite = [each for each in scores if np.isfinite(each.score)]
    return min(finite, key=lambda each: each.score, default=None)


def nearest(scores: Sequence[Score]) -> Score | None:
    """The image and target that an attack reaches at the least distance."""
    found = [each for each in scores if each.distance is not None and np.isfinite(each.distance)]
    return min(found, key=lambda each: each.distance, default=None)
