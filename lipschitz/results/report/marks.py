"""The remarks on a score, the worst first, and which fits need a look."""

from collections.abc import Sequence

import numpy as np

from lipschitz.results.remarks import Remark, remarks
from lipschitz.results.scoring import Score

SMALL_P_VALUE = 0.05
MOST_LOOKED_AT, FEWEST_LOOKED_AT = 50, 6


def marks(score: Score) -> list[Remark]:
    """What is to be said against a score, the worst first."""
    return sorted(remarks(score), key=lambda remark: remark.rank)


def to_look_at(scores: Sequence[Score], most: int = MOST_LOOKED_AT) -> list[Score]:
    """The scores whose fits need a look, the worst first.

    These are the refuted and impossible ones, those without a fit and those that grow; then those
    with a small p-value. If they are few, the smallest p-values follow.
    """
    bad = [_badness(each) for each in scores]
    ranked = sorted(range(len(scores)), key=bad.__getitem__)
    urgent = sum(rank <= _P_VALUE for rank, *_ in bad)
    return [scores[place] for place in ranked[: min(max(urgent, FEWEST_LOOKED_AT), most)]]


_P_VALUE, _OTHERS = 4, 5


def _badness(score: Score) -> tuple[int, float, float]:
    """A key that sorts the worst score first."""
    rank = min((mark.rank for mark in marks(score)), default=_OTHERS)
    fitted = score.fit.p_value >= 0
    if rank >= _P_VALUE:
        rank = _P_VALUE if fitted and score.fit.p_value < SMALL_P_VALUE else _OTHERS
    ratio = -(score.ratio or 0) if score.is_refuted else 0.0
    return rank, ratio if np.isfinite(ratio) else -np.inf, score.fit.p_value if fitted else 2.0
