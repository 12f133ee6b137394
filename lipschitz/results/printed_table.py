"""Scores as a table to read: a line for each image and target."""

from collections.abc import Sequence

import numpy as np

from lipschitz.results.scoring import REFUTED, Score


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
