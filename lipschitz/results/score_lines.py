"""The lines of a score: its fit, its interval, the attack beside it."""

import numpy as np

from lipschitz.results.scoring import FITTED, REFUTED, UNKNOWN, Score
from lipschitz.support.text import line


def debug_line(score: Score, method: str) -> str:
    """The line of one fit; g_x0 prints in full."""
    name, fit = score.file.name, score.fit
    fields = {
        "id": name.image_id,
        "true_label": name.true_label,
        "target_label": name.target_label,
        "info": name.info,
        "nsamps": name.nsamp,
        "niters": name.niters,
        "bnd_norm": score.norm,
        "bnd": score.score,
    }
    if method in FITTED:
        fields |= {
            "ks": fit.ks,
            "pVal": fit.p_value,
            "shape": fit.shape,
            "loc": fit.location,
            "scale": fit.scale,
            "g_x0": repr(score.file.g_x0),
        }
    return line("DEBUG", 1, **fields)


def interval_line(score: Score, level: float) -> str:
    """The line of a score's interval; without one its ends are nan."""
    interval = score.interval
    fields = {
        **named(score),
        "bnd_norm": score.norm,
        "bnd": score.score,
        "low": np.nan if interval is None else score.low,
        "high": np.nan if interval is None else score.high,
        "level": level,
        "bounded": interval is not None and interval.bounded,
        "inside": UNKNOWN if score.file.limits is None else not score.is_outside,
    }
    return line("INTERVAL", 1, **fields)


def attack_line(score: Score) -> str:
    """The line of a score beside the distance that an attack needs."""
    fields = {
        **named(score),
        "norm": score.norm,
        "distance": score.distance,
        "bnd": score.score,
        "ratio": score.ratio,
    }
    return line("ATTACK", 1, **fields, **({"verdict": REFUTED} if score.is_refuted else {}))


def named(score: Score) -> dict[str, object]:
    """The fields that name the image and the target of a score."""
    name = score.file.name
    return {"id": name.image_id, "target_label": name.target_label, "info": name.info}
