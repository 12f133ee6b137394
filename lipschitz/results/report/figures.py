"""Figures for a paper: the charts of an experiment as files, each as PDF and as PNG."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lipschitz.results.attacked import SHOWN
from lipschitz.results.report import drawing, marks, shown
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score

FORMS = (".pdf", ".png")


def save(experiments: Sequence[Scored], folder: Path) -> list[Path]:
    """Write the figures of experiments into a folder; of several, a sub-folder each, by number.

    Returns the files. These are the means (summary), the scores of each norm beside attacks
    (scatter_L2) and over images (distribution_L2), and the fits that need a look
    (fit_IMAGE_TARGET_KIND_L2).
    """
    several = len(experiments) > 1
    return [
        drawing.save(figure, (folder / str(number) if several else folder) / f"{name}{form}")
        for number, scored in enumerate(experiments, start=1)
        for name, figure in _figures(scored)
        for form in FORMS
    ]


def _figures(scored: Scored) -> Iterator[tuple[str, Figure]]:
    """The figures of an experiment, with their names."""
    yield "summary", drawing.means(scored)
    for norm in shown.norms_of(scored):
        scores = [each for each in scored.scores if each.norm == norm]
        if drawing.comparable(scores):
            yield f"scatter_{SHOWN[norm]}", drawing.against_attacks(scores)
        if drawing.is_any_finite(scored, norm):
            yield f"distribution_{SHOWN[norm]}", drawing.distribution(scored, norm)
    for score in marks.to_look_at(scored.scores):
        yield _name(score), drawing.fit(score)


def _name(score: Score) -> str:
    name = score.file.name
    return f"fit_{name.image_id}_{name.target_label}_{name.info}_{SHOWN[score.norm]}"
