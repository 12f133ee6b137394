"""Scores as a data frame: a row for each image, target and norm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import TYPE_CHECKING

from lipschitz.results import scoring
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score
from lipschitz.results.signature import signature
from lipschitz.settings import radius_of
from lipschitz.support.text import printable
from lipschitz.version import version

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 256  # characters of what a file tells
WORD, WHOLE, NUMBER, TRUTH = "str", "Int64", "float64", "boolean"  # dtypes of pandas

# docs/reading_scores.md tells what each column holds, and its unit
COLUMNS = {
    **dict.fromkeys(("experiment", "dataset", "network"), WORD),
    **dict.fromkeys(("image", "true_label", "target_label"), WHOLE),
    **dict.fromkeys(("image_name", "true_name", "target_name", "kind", "norm"), WORD),
    **dict.fromkeys(("score", "low", "high", "level"), NUMBER),
    **dict.fromkeys(("bounded", "inside", "outside", "impossible"), TRUTH),
    **dict.fromkeys(("distance", "ratio"), NUMBER),
    **dict.fromkeys(("refuted", "grows"), TRUTH),
    **dict.fromkeys(("g_x0", "end_point", "shape", "location", "scale", "ks", "p_value"), NUMBER),
    "problem": WORD,
    **dict.fromkeys(("N", "iterations", "drawn"), WHOLE),
    "ball": WORD,
    "radius": NUMBER,
    "transformation": WORD,
    **dict.fromkeys(("order", "seed"), WHOLE),
    **dict.fromkeys(("activation", "box", "outputs"), WORD),
    "compute_slope": TRUTH,
    "method": WORD,
    "shape_reg": NUMBER,
    **dict.fromkeys(("use_slope", "cap"), TRUTH),
    "num_samples": WHOLE,
    **dict.fromkeys(
        ("network_fingerprint", "image_fingerprint", "signature", "version", "sampled_by"), WORD
    ),
    **dict.fromkeys(("doubts", "file"), WORD),
}


def frame(experiments: Iterable[Scored]) -> pd.DataFrame:
    """A data frame of scores with these `COLUMNS`; what is not known is empty, or missing."""
    values = {name: [] for name in COLUMNS}
    for each in experiments:
        for row in _rows(each):  # a row alone: all of them take ten times the room of columns
            for name, of_column in values.items():
                of_column.append(row[name])
    return of_columns({name: column(values.pop(name), dtype) for name, dtype in COLUMNS.items()})


def column(values: list[object], dtype: str) -> pd.Series:
    """Values of a type, None if one is missing.

    With the type, pandas does not take whole numbers for floats if one is missing.
    """
    import pandas as pd

    return pd.Series(values, dtype=dtype)


def of_columns(columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """The frame of these columns, in the order of `COLUMNS`."""
    import pandas as pd

    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def _rows(scored: Scored) -> Iterator[dict[str, object]]:
    """The rows of an experiment."""
    of_experiment = {
        "experiment": scored.heading,
        "signature": signature(scored),
        "version": version(),
        "outputs": scoring.outputs(scored.members),
        "doubts": "\n".join(scoring.doubts(scored.members)),
        "level": scored.how.level,
        "method": scored.how.method,
        "shape_reg": scored.how.shape_reg,
        "use_slope": scored.how.use_slope,
        "cap": scored.how.cap,
        "num_samples": scored.how.num_samples,
    }
    for score in scored.scores:
        yield of_experiment | _of_file(score) | _of_fit(score) | _of_score(score)


def _of_file(score: Score) -> dict[str, object]:
    record, name, told = score.file, score.file.name, score.file.provenance
    return {
        "dataset": record.dataset,
        "network": record.network,
        "image": name.image_id,
        "true_label": name.true_label,
        "target_label": name.target_label,
        "image_name": record.image_name,
        "true_name": record.true_name,
        "target_name": record.target_name,
        "kind": name.info,
        "N": name.nsamp,
        "iterations": name.niters,
        "drawn": _whole(told.get("drawn")),
        "ball": _word(told.get("sample_norm")),
        "radius": radius_of(told),
        "transformation": _word(told.get("transform")),
        "order": name.order,
        "seed": _whole(told.get("seed")),
        "activation": name.activation,
        "box": _word(told.get("box")),
        "compute_slope": _truth(told.get("compute_slope")),
        "network_fingerprint": _word(told.get("network")),
        "image_fingerprint": _word(told.get("image")),
        "sampled_by": record.version,
        "file": intern(printable(str(record.path))),
    }


def _of_fit(score: Score) -> dict[str, object]:
    fit = score.fit
    return {
        "end_point": fit.end_point,
        "shape": fit.shape,
        "location": fit.location,
        "scale": fit.scale,
        "ks": fit.ks,
        "p_value": fit.p_value,
        "problem": fit.problem,
    }


def _of_score(score: Score) -> dict[str, object]:
    return {
        "norm": score.norm,
        "score": score.score,
        "low": score.low,
        "high": score.high,
        "bounded": score.interval is not None and score.interval.bounded,
        "inside": None if score.file.limits is None else not score.is_outside,
        "outside": score.is_outside,
        "impossible": score.is_impossible,
        "distance": score.distance,
        "ratio": score.ratio,
        "refuted": score.is_refuted,
        "grows": score.grows,
        "g_x0": score.file.g_x0,
    }


def _word(value: object) -> str:
    """What a file tells, if it is text; equal words are one object, for rows are many."""
    return intern(printable(value[:LONGEST])) if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def _truth(value: object) -> bool | None:
    return bool(value) if isinstance(value, bool | int) else None
