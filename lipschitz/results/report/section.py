"""What a page shows of an experiment."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from markupsafe import Markup

from lipschitz.results import findings, summary
from lipschitz.results.report import (
    drawing,
    in_words,
    marks,
    settings_told,
    shown,
    trust,
)
from lipschitz.results.report.inline_svg import Ids, as_svg
from lipschitz.results.report.pictures import Picture, of_attack, of_record
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score
from lipschitz.results.signature import signature


class Chart(NamedTuple):
    """A drawing, and what stands below it."""

    svg: Markup
    caption: str


class Fragile(NamedTuple):
    """The scores of the most fragile images of a norm, None if there is none."""

    norm: str
    nearest: Score | None  # that the attack reaches first
    weakest: Score | None  # with the least score
    equally_near: int  # images and targets that the attack reaches at that distance
    equally_weak: int  # those with that score: several if they are cut


class Mean(NamedTuple):
    """A row of the summary."""

    kind: str
    norm: str
    average: summary.Average
    attacks: summary.Attacks | None
    outside: str


@dataclass(frozen=True)
class Section:
    """What the page shows of an experiment."""

    key: str  # begins its ids
    scored: Scored
    ids: Ids
    most: int  # fits

    @property
    def name(self) -> str:
        """What the experiment is called."""
        return shown.experiment(self.scored)

    @property
    def word(self) -> str:
        """What the scores of a kind and norm become."""
        return shown.averaged(self.scored)

    @cached_property
    def trust(self) -> list[trust.Trust]:
        """By norm, whether the mean can be trusted."""
        return trust.by_norm(self.scored)

    @cached_property
    def findings(self) -> list[findings.Finding]:
        """What makes the scores worth less, warnings first."""
        return sorted(findings.findings(self.scored), key=lambda each: not each.is_warning)

    @property
    def signature(self) -> str:
        """The signature of the scores."""
        return signature(self.scored)

    @property
    def settings(self) -> Iterator[tuple[str, str]]:
        """What made the scores: names and values, for people to read."""
        return settings_told.settings(self.scored)

    @property
    def fragile(self) -> Iterator[Fragile]:
        """By norm, the most fragile image by the attack, and by the score."""
        for norm in shown.norms_of(self.scored):
            scores = self._of_norm(norm)
            nearest, weakest = trust.nearest(scores), trust.weakest(scores)
            near = nearest and sum(
                shown.distance(each) == shown.distance(nearest) for each in scores
            )
            weak = weakest and sum(
                shown.number(each.score) == shown.number(weakest.score) for each in scores
            )
            yield Fragile(shown.NORMS[norm], nearest, weakest, near or 0, weak or 0)

    @property
    def means(self) -> Iterator[Mean]:
        """The averages by kind of target and norm, with the attacks beside them."""
        attacks = summary.attacks(self.scored.pairs)
        for kind, by_norm in self.scored.averages.items():
            for norm in (each for each in shown.NORMS if each in by_norm):
                beside = attacks.get(kind, {}).get(norm)
                yield Mean(
                    kind, shown.NORMS[norm], by_norm[norm], beside, self._outside(kind, norm)
                )

    def _outside(self, kind: str, norm: str) -> str:
        """How many scores of a kind are larger than what was sampled, if the files tell that."""
        scores = [each for each in self._of_norm(norm) if self._is_of(each, kind)]
        if any(each.file.limits is None for each in scores):
            return "unknown"
        return f"{sum(each.is_outside for each in scores)} of {len(scores)}"

    def _is_of(self, score: Score, kind: str) -> bool:
        return self.scored.how.untargeted or self.scored.kind(score) == kind

    @property
    def against_attacks(self) -> Iterator[Chart]:
        """A chart for each norm with scores beside attacks."""
        for norm in shown.norms_of(self.scored):
            scores = self._of_norm(norm)
            if compared := drawing.comparable(scores):
                figure = drawing.against_attacks(scores)
                yield self._chart(figure, *in_words.of_scatter(scores, compared))

    @property
    def distributions(self) -> Iterator[Chart]:
        """A chart of the scores of each norm."""
        for norm in shown.norms_of(self.scored):
            if drawing.is_any_finite(self.scored, norm):
                pairs = [pair for pair in self.scored.pairs if pair.norm == norm]
                figure = drawing.distribution(self.scored, norm)
                yield self._chart(figure, *in_words.of_distribution(norm, pairs))

    @cached_property
    def looked_at(self) -> list[Score]:
        """The scores whose fits are shown."""
        return marks.to_look_at(self.scored.scores, self.most)

    @property
    def with_marks(self) -> int:
        """How many scores have something against them."""
        return sum(bool(marks.marks(each)) for each in self.scored.scores)

    def fit(self, score: Score) -> Markup:
        """The chart of a fit."""
        return self._chart(drawing.fit(score), in_words.of_fit(score), "").svg

    def picture(self, score: Score) -> Picture | None:
        """The image of a score."""
        return of_record(score.file)

    def pictures(self, score: Score) -> list[Picture]:
        """The image of a score and the input that the attack found, if they can be shown."""
        return [each for each in (of_record(score.file), of_attack(score)) if each]

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """The headings of the table of all scores, and whether they hold numbers."""
        return [(name, is_number) for name, is_number, _ in self._columns]

    @property
    def rows(self) -> Iterator[list[str]]:
        """The rows of the table of all scores."""
        cells = [cell for *_, cell in self._columns]
        for score in self.scored.scores:
            yield [cell(score) for cell in cells]

    @cached_property
    def _columns(self) -> list[tuple]:
        """The columns: heading, whether it holds numbers, and the cell of a score."""
        named = any(each.file.image_name for each in self.scored.scores)
        attacked = any(each.distance is not None for each in self.scored.scores)
        name = ("Name", False, lambda score: score.file.image_name)
        attack = [("Attack", True, shown.distance), ("Ratio", True, shown.ratio)]
        return [
            ("Image", True, lambda score: str(score.file.name.image_id)),
            *([name] if named else []),
            ("True", True, lambda score: shown.true_class(score.file)),
            ("Target", True, lambda score: shown.target(score.file)),
            ("Kind", False, self.scored.kind),
            ("Norm", False, lambda score: shown.NORMS[score.norm]),
            ("Score", True, lambda score: shown.number(score.score)),
            ("Interval", True, lambda score: shown.interval((score.low, score.high))),
            *(attack if attacked else []),
            ("p", True, shown.p_value),
            ("Marks", False, lambda score: ", ".join(each.word for each in marks.marks(score))),
        ]

    def _of_norm(self, norm: str) -> list[Score]:
        return [each for each in self.scored.scores if each.norm == norm]

    def _chart(self, figure: drawing.Figure, label: str, caption: str) -> Chart:
        return Chart(Markup(as_svg(figure, label, self.ids)), caption)  # noqa: S704 - escaped there
