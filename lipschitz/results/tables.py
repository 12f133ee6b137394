"""Scores as a table: a row for each image, target and norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.results.scoring import Score

if TYPE_CHECKING:
    import pandas as pd

REFUTED = "REFUTED"


def frame(scores: list[Score]) -> pd.DataFrame:
    """A data frame of scores.

    `score` is a distance in the norm `norm` ("1", "2" or "i"), in units of the network's inputs.
    `end_point` is the local Lipschitz constant; `shape`, `scale`, `ks` and `p_value` are of its fit
    (-1 if there is none), and `problem` says why the largest maximum takes its place, if it does.
    `low` and `high` are the ends of the score's interval (nan if there is none), `bounded` says
    whether the maxima alone bound the constant, without the fit's penalty. `outside` marks a
    distance that was not sampled, `impossible` one that no valid input has. `distance` is the
    smallest at which an attack found the target (inf: at none; nan: there was no attack), `ratio`
    the score over it, and `refuted` marks a ratio above 1.
    """
    import pandas as pd

    found = pd.DataFrame([_row(score) for score in scores], columns=COLUMNS)
    return found.astype(dict.fromkeys(("low", "high", "distance", "ratio"), float))


COLUMNS = (
    *("image", "true_label", "target_label", "kind", "norm", "score", "g_x0", "end_point"),
    *("shape", "scale", "ks", "p_value", "problem", "low", "high", "bounded"),
    *("outside", "impossible", "distance", "ratio", "refuted"),
)


def _row(score: Score) -> tuple[object, ...]:
    name, fit = score.file.name, score.fit
    return (
        *(name.image_id, name.true_label, name.target_label, name.info, score.norm, score.score),
        *(score.file.g_x0, fit.end_point, fit.shape, fit.scale, fit.ks, fit.p_value, fit.problem),
        *(score.low, score.high, score.interval is not None and score.interval.bounded),
        *(score.is_outside, score.is_impossible, score.distance, score.ratio, score.is_refuted),
    )


def lines(scores: list[Score]) -> list[str]:
    """A line for each score: its interval, the attack beside it, and what is to be said."""
    heading = ("image", "true", "target", "kind", "score", "interval", "attack", "ratio", "")
    return [_aligned(heading), *map(_line, scores)]


def _aligned(cells: Sequence[object]) -> str:
    """Cells of a table as one line."""
    image, true, target, kind, score, interval, attack, ratio, said = cells
    return (
        f"{image:>5} {true:>4} {target:>6} {kind:8} "
        f"{score:9} {interval:21} {attack:10} {ratio:6} {said}"
    ).rstrip()


def _line(score: Score) -> str:
    name = score.file.name
    interval = "" if score.interval is None else f"{score.low:.4g} to {score.high:.4g}"
    attack = ratio = ""
    if score.distance is not None:
        none_found = np.isinf(score.distance)
        attack = "none found" if none_found else f"{score.distance:.4g}"
        ratio = "" if none_found else f"{score.ratio:.2f}"
    marks = {
        REFUTED: score.is_refuted,
        "impossible": score.is_impossible,
        "outside": score.is_outside and not score.is_impossible,
    }
    said = ", ".join(mark for mark, holds in marks.items() if holds)
    ids = name.image_id, name.true_label, name.target_label, name.info
    return _aligned((*ids, f"{score.score:.4g}", interval, attack, ratio, said))
