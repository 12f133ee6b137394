"""An experiment with its scores: lines, tables, comparisons and reports are made of it."""

from dataclasses import dataclass
from functools import cached_property

from lipschitz.data.targets import NAMED_BY_USER
from lipschitz.maths.interval import LEVEL
from lipschitz.maths.weibull import SHAPE_REG
from lipschitz.results import scoring, summary
from lipschitz.results.matfile import Record
from lipschitz.results.scoring import Score
from lipschitz.results.summary import UNTARGETED_KIND, Average, Pair


@dataclass(frozen=True)
class Scoring:
    """How maxima become scores and means: the choices of whoever scores that change a number."""

    method: str = "mle_reg"
    shape_reg: float = SHAPE_REG
    use_slope: bool = False
    num_samples: int = 0  # the first maxima of each file; 0: all
    num_images: int = 0  # the first files; 0: all
    cap: bool = False
    level: float = LEVEL
    untargeted: bool = False
    average: str = "mean"  # or "min", over images
    user_type: str = ""  # what targets of a file of ids are called in the summary


@dataclass(frozen=True)
class Scored:
    """The scores of an experiment; the heading tells it from others that are scored with it."""

    heading: str
    members: list[Record]  # all of its files, by image and target
    scores: list[Score]  # all norms of the first file, then of the second, ...
    how: Scoring

    @cached_property
    def images(self) -> set[int]:
        """The images that have a score."""
        return {score.file.name.image_id for score in self.scores}

    @cached_property
    def pairs(self) -> list[Pair]:
        """What is averaged: the scores by kind of target, or the least of each image."""
        if self.how.untargeted:
            return [
                Pair(UNTARGETED_KIND, norm, value, image.nearest.get(norm))
                for image in summary.untargeted(self.scores)
                for norm, value in image.least.items()
            ]
        return [
            Pair(self.kind(score), score.norm, score.score, score.distance) for score in self.scores
        ]

    @cached_property
    def averaged(self) -> list[Score]:
        """The scores that are averaged: all, or in each norm the least of each image."""
        if not self.how.untargeted:
            return self.scores
        least = {}
        for score in sorted(self.scores, key=lambda score: score.score):
            least.setdefault((score.file.name.image_id, score.norm), score)
        return [least[key] for key in sorted(least)]

    @cached_property
    def averages(self) -> dict[str, dict[str, Average]]:
        """The averages by kind of target and norm; the intervals of means take a while."""
        return summary.averages(self.pairs, self.how.average, self.how.level)

    def kind(self, score: Score) -> str:
        """What the summary calls the target of a score."""
        info = score.file.name.info
        return self.how.user_type or info if info == NAMED_BY_USER else info


def scored(members: list[Record], heading: str = "", how: Scoring = Scoring()) -> Scored:
    """Score the files of an experiment."""
    files = members[: how.num_images or None]
    scores = scoring.score(files, how.method, how.shape_reg, how.level, how.cap)
    return Scored(heading, members, scores, how)
