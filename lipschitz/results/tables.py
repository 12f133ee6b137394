"""Scores as a table: a row for each image, target and norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipschitz.results.scoring import Score

if TYPE_CHECKING:
    import pandas as pd


def frame(scores: list[Score]) -> pd.DataFrame:
    """A data frame of scores.

    `score` is a distance in the norm `norm` ("1", "2" or "i"), in units of the network's inputs.
    `end_point` is the local Lipschitz constant; `shape`, `scale`, `ks` and `p_value` are of its fit
    (-1 if there is none), and `problem` says why the largest maximum takes its place, if it does.
    `outside` marks a distance that was not sampled, `impossible` one that no valid input has.
    """
    import pandas as pd

    return pd.DataFrame([_row(score) for score in scores], columns=COLUMNS)


COLUMNS = (
    *("image", "true_label", "target_label", "kind", "norm", "score", "g_x0", "end_point"),
    *("shape", "scale", "ks", "p_value", "problem", "outside", "impossible"),
)


def _row(score: Score) -> tuple[object, ...]:
    name, fit = score.file.name, score.fit
    return (
        *(name.image_id, name.true_label, name.target_label, name.info, score.norm, score.score),
        *(score.file.g_x0, fit.end_point, fit.shape, fit.scale, fit.ks, fit.p_value, fit.problem),
        *(score.is_outside, score.is_impossible),
    )
