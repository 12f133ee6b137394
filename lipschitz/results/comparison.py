"""Two experiments compared: the scores of one network and another, pair by pair.

A pair is an image and a target class that both have. Images are the unit of the statistics: what
one image gives for several targets is averaged first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lipschitz.data.background import shift
from lipschitz.maths.chance import sign_test
from lipschitz.maths.scores import PRINTED_NORMS, interval_of_difference, ratio
from lipschitz.results.agreement import disagreements, have_other_images
from lipschitz.results.matfile import Record
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import Score
from lipschitz.results.summary import UNTARGETED_KIND
from lipschitz.support.errors import InputError
from lipschitz.support.text import line, printable

EQUAL = 1e-5  # relative: the scores of one network on two devices differ in less


@dataclass(frozen=True)
class Comparison:
    """The scores of two experiments for one kind of target, in one norm.

    Numbers over images are nan if every pair is left out.
    """

    kind: str
    norm: str
    images: int
    pairs: int  # that are compared
    infinite: int  # pairs left out because a score is infinite
    mean_first: float
    mean_second: float
    difference: float  # the second less the first, mean over images
    interval: tuple[float, float] | None  # of the difference, from some images on
    ratio: float  # the second over the first, median over images
    higher: int  # images on which the second scores higher
    lower: int
    equal: int
    p_value: float  # of the two-sided sign test over images
    attacked: int  # pairs of which attacks on both found an input
    attack_farther: int  # of them, pairs of which the second's attack needs more


@dataclass(frozen=True)
class Compared:
    """Two experiments, with a comparison for each kind of target and norm."""

    first: Scored
    second: Scored
    comparisons: list[Comparison]
    only_first: int  # pairs that the other lacks
    only_second: int
    other_images: int  # pairs left out: the image of that number is another one
    warnings: list[str]


class OrdersError(InputError):
    """Experiments are of two orders."""


class NoPairError(InputError):
    """Two experiments have no image and target in common; sampling one again helps."""


class _Key(NamedTuple):
    """A pair, in the classes of the first experiment."""

    image_id: int
    true_label: int
    target_label: int


class _Pair(NamedTuple):
    """Two scores to compare, for people's kind of target."""

    kind: str
    norm: str
    image_id: int
    first: float
    second: float
    attacks: tuple[float, float]  # the distances that attacks need; infinite without one


def compare(first: Scored, second: Scored) -> Compared:
    """Compare the scores of the second experiment with those of the first.

    The kind of a pair is that of the first. Raises InputError if the orders differ, or no pair is
    in both.
    """
    one, two = first.members[0], second.members[0]
    check([one, two])
    here, there = _by_key(first), _by_key(second, shift(two.num_labels, one.num_labels))
    both = here.keys() & there.keys()
    others = {key for key in both if have_other_images(here[key][0].file, there[key][0].file)}
    if both == others:
        raise _no_pair(here.keys(), there.keys(), others)
    pairs = [
        _Pair(
            first.kind(score),
            score.norm,
            key.image_id,
            score.score,
            match.score,
            (_distance(score), _distance(match)),
        )
        for key in sorted(both - others)
        for score in here[key]
        if (match := _of_norm(there[key], score.norm)) is not None
    ]
    return Compared(
        first,
        second,
        _comparisons(_least(pairs) if first.how.untargeted else pairs, first.how.level),
        only_first=len(here.keys() - there.keys()),
        only_second=len(there.keys() - here.keys()),
        other_images=len(others),
        warnings=disagreements(first, second),
    )


def check(records: Sequence[Record]) -> None:
    """Raise InputError if experiments with these files cannot be compared; each has one here."""
    if len(records) < 2:
        raise InputError("there is one experiment only: name the folders of two")
    if len({record.name.order for record in records}) > 1:
        raise OrdersError("scores of order 1 and 2 are not compared: they are bounds of two kinds")


def lines(compared: Compared, number: int = 2) -> list[str]:
    """What is printed of a comparison: the second experiment has that number, the first is 1."""
    others = f", of another image: {compared.other_images}" if compared.other_images else ""
    heading = (
        f"comparing {number} ({_called(compared.second)}) with 1 ({_called(compared.first)}); "
        f"pairs only in 1: {compared.only_first}, only in {number}: {compared.only_second}{others}"
    )
    warnings = [f"warning: {warning}" for warning in compared.warnings]
    level = compared.first.how.level
    return [heading, *warnings, *(_line(each, number, level) for each in compared.comparisons)]


def matrix(compared: Sequence[Compared]) -> list[str]:
    """Experiments that are all compared with one, as a table to read: 1 is that one.

    A part for each kind of target and norm; in it a line for each other experiment.
    """
    parts = defaultdict(list)
    for number, each in enumerate(compared, start=2):
        for found in each.comparisons:
            parts[found.kind, found.norm].append((number, each.second, found))
    table = []
    for (kind, norm), rows in sorted(parts.items()):
        table.append(f"{kind}, L{PRINTED_NORMS[norm]}, compared with 1")
        table.append(_aligned("", "images", "ratio", "difference", "interval", ""))
        table += [_row(*row) for row in rows]
    return table


def _line(found: Comparison, number: int, level: float) -> str:
    low, high = found.interval or (np.nan, np.nan)
    fields = {
        "info": found.kind,
        "norm": found.norm,
        "images": found.images,
        "pairs": found.pairs,
        "mean_1": found.mean_first,
        f"mean_{number}": found.mean_second,
        "difference": found.difference,
        "low": low,
        "high": high,
        "level": level,
        "ratio": found.ratio,
        "higher": found.higher,
        "lower": found.lower,
        "equal": found.equal,
        "p": found.p_value,
        **(
            {"attacked": found.attacked, "attack_farther": found.attack_farther}
            if found.attacked
            else {}
        ),
    }
    return line("COMPARE", 0, **fields, **({"infinite": found.infinite} if found.infinite else {}))


def _row(number: int, scored: Scored, found: Comparison) -> str:
    interval = "" if found.interval is None else "{:.4g} to {:.4g}".format(*found.interval)
    numbers = f"{found.ratio:.3f}", f"{found.difference:.4g}", interval
    return _aligned(number, found.images, *numbers, _called(scored))


def _aligned(*cells: object) -> str:
    """Cells of a table as one line."""
    number, images, ratio, difference, interval, name = cells
    return f"{number:>3} {images:>6} {ratio:>7} {difference:>10}  {interval:24} {name}".rstrip()


def _called(scored: Scored) -> str:
    return printable(scored.heading or scored.members[0].network)


def _by_key(scored: Scored, shift: int = 0) -> Mapping[_Key, list[Score]]:
    """The scores by image and classes, which are moved by `shift`."""
    found = defaultdict(list)
    for score in scored.scores:
        name = score.file.name
        key = _Key(name.image_id, name.true_label + shift, name.target_label + shift)
        found[key].append(score)
    return found


def _no_pair(here: Set[_Key], there: Set[_Key], others: Set[_Key]) -> InputError:
    """Why two experiments have nothing to compare, and what to do."""

    def agree_in(fields: int) -> bool:
        return bool({key[:fields] for key in here} & {key[:fields] for key in there})

    sample = "sample the second with the images and targets of the first"
    if others:
        return InputError(
            "images of the same number are others: is it the same data set, in the same order?"
        )
    if agree_in(2):  # image and true label
        return NoPairError(f"no pair is in both, for their targets differ: {sample}")
    if agree_in(1):
        return InputError(
            "images of the same number have other true labels: is it the same data set?"
        )
    return NoPairError(f"they have no image in common: {sample}")


def _distance(score: Score) -> float:
    return np.inf if score.distance is None else score.distance


def _of_norm(scores: Iterable[Score], norm: str) -> Score | None:
    return next((score for score in scores if score.norm == norm), None)


def _least(pairs: Iterable[_Pair]) -> list[_Pair]:
    """The least scores of each image, over the targets that both have, as one kind."""
    of_image = defaultdict(list)
    for pair in pairs:
        of_image[pair.image_id, pair.norm].append((pair.first, pair.second, *pair.attacks))
    least = {key: map(min, zip(*each, strict=True)) for key, each in of_image.items()}
    return [
        _Pair(UNTARGETED_KIND, norm, image_id, first, second, tuple(attacks))
        for (image_id, norm), (first, second, *attacks) in least.items()
    ]


def _comparisons(pairs: Iterable[_Pair], level: float) -> list[Comparison]:
    """A comparison for each kind and norm."""
    groups = defaultdict(list)
    for pair in pairs:
        groups[pair.kind, pair.norm].append(pair)
    return [_comparison(*group, groups[group], level) for group in sorted(groups)]


def _comparison(kind: str, norm: str, pairs: Sequence[_Pair], level: float) -> Comparison:
    of_image = defaultdict(list)
    for pair in pairs:
        if np.isfinite([pair.first, pair.second]).all():
            of_image[pair.image_id].append((pair.first, pair.second))
    means = np.array([np.mean(scores, axis=0) for scores in of_image.values()]).reshape(-1, 2)
    equal = np.isclose(*means.T, rtol=EQUAL, atol=0)
    differences = np.where(equal, 0.0, means[:, 1] - means[:, 0])
    compared = sum(map(len, of_image.values()))
    higher, lower = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(
        kind,
        norm,
        images=len(means),
        pairs=compared,
        infinite=len(pairs) - compared,
        mean_first=_over_images(np.mean, means[:, 0]),
        mean_second=_over_images(np.mean, means[:, 1]),
        difference=_over_images(np.mean, differences),
        interval=interval_of_difference(differences, level),
        ratio=_over_images(
            np.median,
            [1.0 if same else ratio(*each[::-1]) for each, same in zip(means, equal, strict=True)],
        ),
        higher=higher,
        lower=lower,
        equal=len(means) - higher - lower,
        p_value=sign_test(higher, lower),
        **_of_attacks(pairs),
    )


def _of_attacks(pairs: Sequence[_Pair]) -> dict[str, int]:
    """How many pairs have an attack on both, and on how many the second's is farther."""
    both = [pair.attacks for pair in pairs if np.isfinite(pair.attacks).all()]
    farther = sum(second > first for first, second in both)
    return {"attacked": len(both), "attack_farther": farther}


def _over_images(function: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    return float(function(values)) if len(values) else np.nan
