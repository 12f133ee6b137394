"""From files of maxima to scores: find the files, fit their maxima, divide the margins.

Everything here returns values; `clever.py` prints them.
"""

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from lipschitz.data.targets import UNTARGETED
from lipschitz.file_name import EXTENSION, FileName
from lipschitz.maths.scores import DUAL_NORM, average, clever_score, second_order_score
from lipschitz.maths.weibull import SHAPE_REG, Fit, fit
from lipschitz.results import matfile
from lipschitz.results.matfile import Record
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

BOUND_NORMS = {1: ("1", "2", "i"), 2: ("2",)}  # by order
METHODS = ("mle", "mle_reg", "maxsamp")
FITTED = ("mle", "mle_reg")


@dataclass(frozen=True)
class Score:
    """The score of an image and a target in one norm."""

    file: Record
    norm: str  # "1", "2" or "i": that of the score
    score: float
    fit: Fit  # of the maxima in the dual norm


class ImageScores(NamedTuple):
    """The least scores of an image over its targets, by norm."""

    image_id: int
    targets: int
    absent: int  # classes without a file
    least: dict[str, float]


class Average(NamedTuple):
    """The scores of one kind of target and norm, over the images."""

    score: float
    number: int
    infinite: int  # of them, left out


class Loaded(NamedTuple):
    """Files that can be scored, and how many cannot."""

    records: list[Record]
    unreadable: int
    without_slopes: int


def find_files(places: Iterable[Path]) -> list[Path]:
    """All .mat files at and under these places, each once."""
    paths = []
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist: name the folder that sampling saved to")
        if place.is_dir():
            found = sorted(place.rglob("*" + EXTENSION))
            # a hidden name is that of a file which is being written
            paths += [path for path in found if not path.name.startswith(".")]
        else:
            paths.append(place)
    paths = list({path.resolve(): path for path in paths}.values())
    if not paths:
        named = ", ".join(map(str, places))
        raise InputError(f"no .mat files in {named}: sample with collect_gradients.py first")
    return paths


def of_kind(paths: list[Path], field: str, wanted: object) -> list[Path]:
    """The files whose names have this value in a field ("order" or "activation")."""
    named = {}
    for path in paths:
        with contextlib.suppress(ValueError):
            named[path] = getattr(FileName.parse(path.name), field)
    if wanted not in named.values():
        known = " and ".join(sorted(map(str, set(named.values())))) or "none"
        raise InputError(f"{wanted}: there are files of {known}")
    return [path for path, value in named.items() if value == wanted]


def load(paths: list[Path], slope: bool = False) -> Loaded:
    """Read the files; one that cannot be used is named, counted and skipped."""
    records, without_slopes, unreadable = [], 0, 0
    for path in paths:
        try:
            records.append(matfile.load(path, slope))
        except matfile.NoSlopesError:
            without_slopes += 1
        except matfile.FormatError as error:
            print(printable(f"skipped {path}: {error}"), file=sys.stderr)
            unreadable += 1
    return Loaded(records, unreadable, without_slopes)


def is_untargeted(record: Record) -> bool:
    """Whether a file is of an untargeted run, which has a target for every class."""
    return record.name.info.startswith(UNTARGETED)


def first_maxima(record: Record, count: int) -> Record | None:
    """The file cut to its first maxima; None if it has fewer."""
    if count > min(len(maxima) for maxima in record.maxima.values()):
        return None
    first = {norm: maxima[:count] for norm, maxima in record.maxima.items()}
    return replace(record, maxima=first)


def experiments(records: list[Record]) -> list[list[Record]]:
    """The files by experiment (folder, N, iterations, activation, order), by image and target."""
    members = defaultdict(list)
    for record in records:
        members[record.path.parent, *record.name.experiment].append(record)
    return [
        sorted(each, key=lambda record: (record.name.image_id, record.name.info))
        for each in members.values()
    ]


def score(
    records: list[Record], method: str = "mle_reg", shape_reg: float = SHAPE_REG
) -> list[Score]:
    """The scores of files of one order: all norms of the first file, then of the second, ...

    All files and norms are fitted together. `method`: "mle_reg" (with the penalty of weight
    `shape_reg`), "mle" (without), "maxsamp" (no fit: the largest maximum).
    """
    parts = [(record, norm) for record in records for norm in BOUND_NORMS[record.name.order]]
    samples = [record.maxima[DUAL_NORM[norm]] for record, norm in parts]
    if method == "maxsamp":
        fits = [Fit(float(x.max())) for x in samples]
    else:
        fits = fit(samples, shape_reg if method == "mle_reg" else 0.0)
    return [
        Score(record, norm, _bound(record, fitted.end_point), fitted)
        for (record, norm), fitted in zip(parts, fits, strict=True)
    ]


def untargeted(scores: list[Score]) -> list[ImageScores]:
    """Per image the least score over its targets."""
    of_image = defaultdict(lambda: defaultdict(list))
    for each in scores:
        of_image[each.file.name.image_id][each.norm].append(each.score)
    num_labels = max(each.file.num_labels for each in scores)
    images = []
    for image_id, by_norm in of_image.items():
        targets = len(next(iter(by_norm.values())))
        least = {norm: min(values) for norm, values in by_norm.items()}
        images.append(ImageScores(image_id, targets, max(num_labels - targets - 1, 0), least))
    return images


def averages(
    scores: Iterable[tuple[str, str, float]], how: str = "mean"
) -> dict[str, dict[str, Average]]:
    """Of scores (kind of target, norm, score), the mean or "min" by kind and norm."""
    of_kind = defaultdict(lambda: defaultdict(list))
    for kind, norm, value in scores:
        of_kind[kind][norm].append(value)
    return {
        kind: {norm: Average(*_averaged(values, how)) for norm, values in of_kind[kind].items()}
        for kind in sorted(of_kind)
    }


def _averaged(values: list[float], how: str) -> tuple[float, int, int]:
    finite, infinite = average(values, how)
    return finite, len(values), infinite


def _bound(record: Record, end_point: float) -> float:
    """The score of a file whose maxima have this end point."""
    if record.name.order == 1:
        return clever_score(record.g_x0, end_point)
    return second_order_score(record.g_x0, record.g_x0_grad_2_norm, end_point)
