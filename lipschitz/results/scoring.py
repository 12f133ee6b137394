"""From files of maxima to scores: find the files, fit their maxima, divide the margins.

Everything here returns values; `clever.py` prints them.
"""

import contextlib
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lipschitz.data.targets import UNTARGETED, SelectedImage
from lipschitz.file_name import EXTENSION, FileName, has_ending
from lipschitz.maths.interval import LEVEL, Interval, intervals
from lipschitz.maths.scores import DUAL_NORM, clever_score, ratio, second_order_score
from lipschitz.maths.weibull import FEW_MAXIMA, SHAPE_REG, Fit, fit
from lipschitz.network import LOGITS, NOT_LOGITS, Network
from lipschitz.results import matfile, picture, reading
from lipschitz.results.attacked import Attacked
from lipschitz.results.estimate import Estimate
from lipschitz.results.matfile import CURVATURE_KEYS, GRADIENT_KEYS, Record
from lipschitz.settings import Settings, difference, experiment_of, in_print
from lipschitz.support.errors import InputError
from lipschitz.support.progress import progress
from lipschitz.support.text import printable
from lipschitz.version import version

UNKNOWN = "unknown"  # a setting that a file does not tell
REFUTED = "REFUTED"
BOUND_NORMS = {1: ("1", "2", "i"), 2: ("2",)}  # by order
METHODS = ("mle", "mle_reg", "maxsamp")
FITTED = ("mle", "mle_reg")
MERGED = (2, 4)  # consecutive iterations, whose maxima are those of as many times N samples
AT_A_TIME = 2**13  # arrays of maxima that are fitted together


@dataclass(frozen=True)
class Score:
    """The score of an image and a target in one norm.

    With `cap` a finite score is at most the radius of the largest ball of its norm that was
    sampled.
    """

    file: Record
    norm: str  # "1", "2" or "i": that of the score
    fit: Fit  # of the maxima in the dual norm
    interval: Interval | None = None  # of the fit's end point
    merged: Mapping[int, float] = field(default_factory=dict)  # end points of merged iterations
    cap: bool = False

    @property
    def score(self) -> float:
        """The margin over the fit's end point; of second order the root of its formula."""
        return self._of(self.fit.end_point)

    @property
    def uncapped(self) -> float:
        """The score as the fit gives it."""
        return _bound(self.file, self.fit.end_point)

    @property
    def low(self) -> float | None:
        """The lower end of the score's interval, if there is one."""
        return None if self.interval is None else self._of(self.interval.high)

    @property
    def high(self) -> float | None:
        """The upper end of the score's interval, if there is one."""
        return None if self.interval is None else self._of(self.interval.low)

    @property
    def maxima(self) -> np.ndarray:
        """The maxima that are fitted."""
        return _maxima(self.file, self.norm)

    @property
    def is_impossible(self) -> bool:
        """Whether no image of the box is so far away."""
        limits = self.file.limits
        return limits is not None and self.uncapped > limits.farthest[self.norm]

    @property
    def is_outside(self) -> bool:
        """Whether it is, before it is capped, a distance that was not sampled."""
        limits = self.file.limits
        return limits is not None and self.uncapped > limits.sampled[self.norm]

    @property
    def distance(self) -> float | None:
        """The smallest at which the attack found the target; None if there was no attack."""
        return None if self.file.attack is None else self.file.attack.distances[self.norm]

    @property
    def ratio(self) -> float | None:
        """The score over the attack's distance: above 1 it is refuted."""
        if self.distance is None:
            return None
        return ratio(self.score, self.distance)

    @property
    def is_refuted(self) -> bool:
        """Whether the attack needs less than the score."""
        return self.distance is not None and self.score > self.distance

    @property
    def grows(self) -> bool:
        """Whether the end point of merged iterations, so of a larger N, is above its interval."""
        if self.interval is None:
            return False
        return any(end_point > self.interval.high for end_point in self.merged.values())

    def _of(self, end_point: float) -> float:
        score = _bound(self.file, end_point)
        capped = self.cap and np.isfinite(score)  # an infinite score says nothing
        return min(score, self.file.limits.sampled[self.norm]) if capped else score


class Loaded(NamedTuple):
    """Files that can be scored, and how many cannot."""

    records: list[Record]
    unreadable: int
    without_slopes: int


def find_files(places: Iterable[Path]) -> list[Path]:
    """All .mat files under these places, and the files named among them, each once."""
    paths, no_ending = [], []
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist: name the folder that sampling saved to")
        if place.is_dir():
            # a hidden name is that of a file which is being written
            found = [path for path in sorted(place.rglob("*")) if not path.name.startswith(".")]
            paths += [path for path in found if has_ending(path.name)]
            no_ending += [path for path in found if FileName.lacks_ending(path.name)]
        else:
            paths.append(place)
    paths = {path.resolve(): path for path in paths}
    unread = {path.resolve() for path in no_ending if path.is_file()} - paths.keys()
    advice = _how_to_end(len(unread), places) if unread else ""
    if not paths:
        named = ", ".join(map(str, places))
        raise InputError(
            f"no .mat files in {named}"
            + (f", but {advice}" if advice else ": sample with collect_gradients.py first")
        )
    if advice:
        print(printable(f"left out {advice}"), file=sys.stderr)
    return list(paths.values())


def _how_to_end(number: int, places: Iterable[Path]) -> str:
    """What to do about files whose names lack the ending, in one line."""
    folders = shlex.join(str(place) for place in places if place.is_dir())
    return (
        f"{number} files whose names lack only the ending {EXTENSION}: name the files themselves, "
        f"or rename them with: find {folders} -type f -name '[0-9]*_*_*_*_*_*' ! -name '*.*' "
        f"-exec mv -n {{}} {{}}{EXTENSION} ';'"
    )


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
    with progress("reading", len(paths), leave=False) as bar:
        for path, found in zip(paths, reading.read(paths, slope), strict=True):
            bar.update()
            if isinstance(found, matfile.NoSlopesError):
                without_slopes += 1
            elif isinstance(found, matfile.FormatError):
                tqdm.write(printable(f"skipped {path}: {found}"), file=sys.stderr)
                unreadable += 1
            else:
                if found.misnamed:
                    said = f"{path}: its name tells something else than its contents, which count"
                    tqdm.write(printable(f"warning: {said}"), file=sys.stderr)
                records.append(found)
    return Loaded(records, unreadable, without_slopes)


def record(
    estimate: Estimate,
    settings: Settings,
    network: Network,
    image: SelectedImage,
    info: str,
    x_0: np.ndarray,
    attack: Attacked | None = None,
) -> Record:
    """What scoring needs of an estimate that is in no file; `info` is the kind of its target."""
    keys = GRADIENT_KEYS if settings.order == 1 else CURVATURE_KEYS
    name = settings.file_name(image.image_id, image.true_label, estimate.target_label, info)
    return Record(
        path=Path(str(name)),
        name=name,
        model=settings.model_name,
        g_x0=estimate.g_x0,
        g_x0_grad_2_norm=getattr(estimate, "g_x0_grad_2_norm", None),
        num_labels=len(estimate.pred),
        non_finite=int(estimate.non_finite.sum()),
        maxima={norm: np.abs(getattr(estimate, key)) for norm, key in keys.items()},
        outputs=LOGITS,
        doubts=(),
        provenance=settings.provenance(network, x_0, image.largest_logit),
        misnamed=False,
        limits=settings.limits(x_0),
        attack=attack,
        dataset=settings.dataset,
        network=settings.model_name,
        picture=picture.of_image(x_0, settings.box),
        input_shape=x_0.shape,
        version=version(),
    )


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
    """The files by experiment, by image and target.

    Files of one experiment share the folder, what their names tell (N, iterations, activation,
    order), and what they come from: the network and all other settings.
    """
    of_name = defaultdict(list)
    for record in records:
        groups = of_name[record.path.parent, *record.name.experiment]
        group = next((each for each in groups if _of_one_source(each[0], record)), None)
        if group is None:
            groups.append(group := [])
        group.append(record)
    return [
        sorted(each, key=lambda record: (record.name.image_id, record.name.info))
        for groups in of_name.values()
        for each in groups
    ]


def _of_one_source(first: Record, second: Record) -> bool:
    """Whether two files come from the same, but for the image; of 2018 is not of a network."""
    one, two = experiment_of(first.provenance), experiment_of(second.provenance)
    return not (difference(one, two) or difference(two, one))


def each_once(members: list[Record]) -> tuple[list[Record], list[Record]]:
    """An experiment's files without those of an image and a target that are there twice.

    Returns both. A file whose name and contents agree comes first.
    """
    once, again = {}, []
    for record in sorted(members, key=lambda record: record.misnamed):
        key = record.name.image_id, record.name.target_label, record.name.info
        if key in once:
            again.append(record)
        else:
            once[key] = record
    left_out = {record.path for record in again}
    return [record for record in members if record.path not in left_out], again


def headings(experiments: list[list[Record]]) -> list[str]:
    """A heading for each experiment, which tells it from all others."""
    names = [members[0].name.heading(members[0].path.parent) for members in experiments]
    sources = [source(members[0]) for members in experiments]
    headings = []
    for name, of_this in zip(names, sources, strict=True):
        alike = [each for other, each in zip(names, sources, strict=True) if other == name]
        known = {key: {each[key] for each in alike if key in each} for key in of_this}
        different = [f"{key} {of_this[key]}" for key in sorted(known) if len(known[key]) > 1]
        headings.append(printable(", ".join([name, *different])))
    return headings


def source(record: Record) -> dict[str, str]:
    """What a file comes from beside what its name tells, for people to read."""
    return {"network": UNKNOWN} | in_print(record.provenance)


def outputs(members: list[Record]) -> str:
    """The kind of outputs of an experiment's network."""
    return next((each.outputs for each in members if each.outputs != LOGITS), LOGITS)


def doubts(members: list[Record]) -> list[str]:
    """What sampling found suspicious in an experiment's network, each once."""
    kinds = [NOT_LOGITS[each.outputs] for each in members if each.outputs != LOGITS]
    return list(dict.fromkeys(kinds + [doubt for each in members for doubt in each.doubts]))


def score(
    records: list[Record],
    method: str = "mle_reg",
    shape_reg: float = SHAPE_REG,
    level: float = LEVEL,
    cap: bool = False,
) -> list[Score]:
    """The scores of files of one order: all norms of the first file, then of the second, ...

    `AT_A_TIME` files and norms are fitted together. `method`: "mle_reg" (with the penalty of weight
    `shape_reg`), "mle" (without), "maxsamp" (no fit: the largest maximum). `level` is that of the
    intervals. With `cap` no score is larger than what was sampled; raises InputError if a file
    does not tell that.
    """
    if cap:
        check_limits(records)
    parts = [(record, norm) for record in records for norm in BOUND_NORMS[record.name.order]]
    scores = []
    with progress("fitting", len(parts), leave=False) as bar:
        for first in range(0, len(parts), AT_A_TIME):
            together = parts[first : first + AT_A_TIME]
            found = _fitted([_maxima(*part) for part in together], method, shape_reg, level)
            scores += [Score(*part, *each, cap) for part, each in zip(together, found, strict=True)]
            bar.update(len(together))
    return scores


def _maxima(record: Record, norm: str) -> np.ndarray:
    """The maxima in a file that give its score in this norm."""
    return record.maxima[DUAL_NORM[norm]]


def _fitted(
    samples: list[np.ndarray], method: str, shape_reg: float, level: float
) -> Iterator[tuple[Fit, Interval | None, Mapping[int, float]]]:
    """The fit of each array of maxima, the interval and what merged iterations give."""
    if method == "maxsamp":
        return ((Fit(float(x.max())), None, {}) for x in samples)
    weight = shape_reg if method == "mle_reg" else 0.0
    fits = fit(samples, weight)
    of_fits = intervals(samples, fits, weight, level), merged_end_points(samples, weight)
    return zip(fits, *of_fits, strict=True)


def check_limits(records: list[Record]) -> None:
    """Raise InputError if a file does not tell what was sampled."""
    if any(record.limits is None for record in records):
        raise InputError("some files do not tell how far they sampled, as files of 2018 do not")


def merged_end_points(samples: list[np.ndarray], shape_reg: float) -> list[dict[int, float]]:
    """The end points of maxima whose iterations are merged by `MERGED`.

    Maxima of m consecutive iterations are those of N m samples. Left out are end points whose fit
    has fewer than `FEW_MAXIMA` maxima, or is replaced.
    """
    found = [{} for _ in samples]
    for m in MERGED:
        enough = [place for place, x in enumerate(samples) if len(x) // m >= FEW_MAXIMA]
        merged = [samples[place][: len(samples[place]) // m * m] for place in enough]
        fits = fit([x.reshape(-1, m).max(axis=1) for x in merged], shape_reg)
        for place, fitted in zip(enough, fits, strict=True):
            if not fitted.problem:
                found[place][m] = fitted.end_point
    return found


def _bound(record: Record, end_point: float) -> float:
    """The score of a file whose maxima have this end point."""
    if record.name.order == 1:
        return clever_score(record.g_x0, end_point)
    return second_order_score(record.g_x0, record.g_x0_grad_2_norm, end_point)
