"""From scores to what is said of an experiment: means, and how scores compare with attacks."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np

from lipschitz.maths.interval import LEVEL
from lipschitz.maths.scores import average, interval_of_mean, ratio
from lipschitz.results.scoring import Score

Result = TypeVar("Result")

UNTARGETED_KIND = "untargeted"  # what the least scores of images are called


class ImageScores(NamedTuple):
    """The least scores of an image over its targets, by norm."""

    image_id: int
    targets: int
    absent: int  # classes without a file
    least: dict[str, float]
    nearest: dict[str, float]  # the least distances of attacks, of norms with one


class Pair(NamedTuple):
    """A score of a kind of target, and the distance that the attack on it needs.

    The distance is infinite if the attack found nothing, None if there was none.
    """

    kind: str
    norm: str
    score: float
    distance: float | None = None


class Average(NamedTuple):
    """The scores of one kind of target and norm, over the images."""

    score: float
    number: int
    infinite: int  # of them, left out
    interval: tuple[float, float] | None = None  # of the mean, from some images on


class Attacks(NamedTuple):
    """The scores of one kind of target and norm beside the attacks that found an image."""

    pairs: int
    median_ratio: float
    refuted: int


def untargeted(scores: list[Score]) -> list[ImageScores]:
    """Per image the least score over its targets, and the least distance of an attack."""
    of_image = defaultdict(lambda: defaultdict(list))
    distances = defaultdict(lambda: defaultdict(list))
    for each in scores:
        of_image[each.file.name.image_id][each.norm].append(each.score)
        if each.distance is not None:
            distances[each.file.name.image_id][each.norm].append(each.distance)
    num_labels = max(each.file.num_labels for each in scores)
    images = []
    for image_id, by_norm in of_image.items():
        targets = len(next(iter(by_norm.values())))
        least = {norm: min(values) for norm, values in by_norm.items()}
        nearest = {norm: min(values) for norm, values in distances[image_id].items()}
        absent = max(num_labels - targets - 1, 0)
        images.append(ImageScores(image_id, targets, absent, least, nearest))
    return images


def averages(
    pairs: Iterable[Pair], how: str = "mean", level: float = LEVEL
) -> dict[str, dict[str, Average]]:
    """The mean of scores by kind of target and norm, or "min"; means with an interval."""
    return _by_kind_and_norm(
        pairs, lambda each: _averaged([pair.score for pair in each], how, level)
    )


def attacks(pairs: Iterable[Pair]) -> dict[str, dict[str, Attacks]]:
    """The scores beside the attacks, by kind of target and norm, of those that found an image."""
    found = [each for each in pairs if each.distance is not None and np.isfinite(each.distance)]
    return _by_kind_and_norm(found, _attacked)


def _by_kind_and_norm(
    pairs: Iterable[Pair], function: Callable[[list[Pair]], Result]
) -> dict[str, dict[str, Result]]:
    """What a function makes of the pairs of each kind of target and norm."""
    of_kind = defaultdict(lambda: defaultdict(list))
    for pair in pairs:
        of_kind[pair.kind][pair.norm].append(pair)
    return {
        kind: {norm: function(each) for norm, each in of_kind[kind].items()}
        for kind in sorted(of_kind)
    }


def _averaged(scores: list[float], how: str, level: float) -> Average:
    finite, infinite = average(scores, how)
    interval = interval_of_mean(scores, level) if how == "mean" else None
    return Average(finite, len(scores), infinite, interval)


def _attacked(pairs: list[Pair]) -> Attacks:
    ratios = [ratio(pair.score, pair.distance) for pair in pairs]
    refuted = sum(pair.score > pair.distance for pair in pairs)
    return Attacks(len(pairs), float(np.median(ratios)), refuted)
