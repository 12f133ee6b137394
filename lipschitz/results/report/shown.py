"""How people read scores: the names of norms, numbers, images and classes."""

import numpy as np

from lipschitz.results.matfile import Record
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score

NORMS = {"2": "L2", "1": "L1", "i": "L∞"}
NONE_FOUND = "none found"


def norms_of(scored: Scored) -> list[str]:
    """The norms of an experiment's scores, in the order in which they are shown."""
    found = {each.norm for each in scored.scores}
    return [norm for norm in NORMS if norm in found]


def number(value: float | None) -> str:
    """Four digits; empty if there is no number."""
    if value is None or np.isnan(value):
        return ""
    return f"{value:.4g}" if np.isfinite(value) else "infinite"


def interval(ends: tuple[float | None, float | None] | None) -> str:
    """Two ends; empty if there is no interval."""
    if ends is None or ends[0] is None:
        return ""
    return f"{number(ends[0])} to {number(ends[1])}"


def distance(score: Score) -> str:
    """The distance that the attack needs; empty if there was no attack."""
    return NONE_FOUND if score.distance == np.inf else number(score.distance)


def ratio(score: Score) -> str:
    """The score over that distance; empty if there is none."""
    return "" if score.ratio is None or np.isnan(score.ratio) else f"{score.ratio:.2f}"


def p_value(score: Score) -> str:
    """The p-value of the fit; empty if it is replaced."""
    return f"{score.fit.p_value:.2g}" if score.fit.p_value >= 0 else ""


def image(record: Record) -> str:
    """An image by its number, and the name of its file if it has one."""
    name = f" ({record.image_name})" if record.image_name else ""
    return f"image {record.name.image_id}{name}"


def class_of(label: int, name: str) -> str:
    """A class by its number, and its name if it has another."""
    return f"{label} {name}" if name and name != str(label) else f"{label}"


def true_class(record: Record) -> str:
    """The class of an image."""
    return class_of(record.name.true_label, record.true_name)


def target(record: Record) -> str:
    """The class that the score is about."""
    return class_of(record.name.target_label, record.target_name)


def averaged(scored: Scored) -> str:
    """What the scores of a kind and norm become."""
    return "mean" if scored.how.average == "mean" else "least score"


def network(scored: Scored) -> str:
    """The network and the data set of an experiment."""
    record = scored.members[0]
    return f"{record.network} on {record.dataset}"


def experiment(scored: Scored) -> str:
    """What an experiment is called."""
    return scored.heading or network(scored)
