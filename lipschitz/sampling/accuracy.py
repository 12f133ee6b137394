"""How many test images a network gets right, and what may be wrong if they are few.

A network that meets values it was not trained on has scores all the same, and they are wrong.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lipschitz.maths.chance import FEWEST, is_better, is_guessing
from lipschitz.network import Box, Convention, Network

FIRST_TRIED = 20  # images, of those classified wrongly: the others cost time
MENDED = 0.25  # a share of them that another range has to mend, to be tried on all images
BETTER = 0.02  # a share of images by which another range has to be better, to be named
CONSTANT = 0.95  # a share of predictions


class Accuracy(NamedTuple):
    """Test images, and how many of them are classified correctly."""

    right: int
    number: int

    def __str__(self) -> str:
        return f"{self.right} of {self.number}"


class Normalization(NamedTuple):
    """(x - mean) / std, numbers or one for each channel, of values in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    of: str  # whose they are

    def __str__(self) -> str:
        return f"normalized with the mean and std of {self.of}"


class Alternative(NamedTuple):
    """Another form in which a network may get its images."""

    lower: float  # black
    upper: float  # white
    turned: bool = False  # blue before red
    normalization: Normalization | None = None
    unnormalized: bool = False  # without the mean and std of the convention

    def __str__(self) -> str:
        parts = [f"values in [{self.lower:g}, {self.upper:g}]", self.normalization]
        parts.append("without its mean and std" if self.unnormalized else "")
        parts.append("with the channels turned" if self.turned else "")
        return " ".join(map(str, filter(None, parts)))


class Better(NamedTuple):
    """An alternative that a network classifies clearly more images correctly in."""

    alternative: Alternative
    others: tuple[tuple[Alternative, int], ...]  # as good or better, with what is right in them
    right: int  # images that are classified correctly
    before: Accuracy  # without it

    def __str__(self) -> str:
        named = self.others[:MOST_NAMED]
        more = "; ".join(f"{count} on {each}" for each, count in named)
        others = f" ({more})" if more else ""
        return (
            f"the network is better on {self.alternative}: {self.right} of {self.before.number} "
            f"test images are classified correctly{others}, not {self.before.right}"
        )


RANGES = ((0.0, 1.0), (-0.5, 0.5), (-1.0, 1.0), (0.0, 255.0))
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "ImageNet")
MOST_NAMED = 2  # alternatives beside the first
CHANNELS = 3  # that can be turned


def of_logits(logits: np.ndarray, labels: np.ndarray) -> Accuracy:
    """The accuracy of logits for one-hot labels, both (N, K)."""
    return Accuracy(int(_right(logits, labels).sum()), len(labels))


def range_of(lowest: float, highest: float) -> tuple[float, float]:
    """The narrowest usual range that holds these values, or from one to the other."""
    holding = [ends for ends in RANGES if ends[0] <= lowest and highest <= ends[1]]
    return min(holding, key=lambda ends: ends[1] - ends[0], default=(lowest, highest))


def doubts(labels: np.ndarray | None, logits: np.ndarray) -> Iterator[str]:
    """What is suspicious in the logits (N, K) of images with one-hot labels, or without labels."""
    predicted = logits.argmax(axis=1)
    true = None if labels is None else labels.argmax(axis=1)
    if true is not None:
        accuracy = of_logits(logits, labels)
        if is_guessing(*accuracy, labels.shape[1]):
            yield f"{accuracy} test images are classified correctly, no more than guessing gives"
    if len(predicted) < FEWEST:
        return
    if true is not None:
        yield from _shifted(predicted, true)
    label = int(np.bincount(predicted).argmax())
    constant = (predicted == label).mean() >= CONSTANT
    if constant and (true is None or (true == label).mean() < CONSTANT):
        yield f"the predictions are nearly constant: class {label}"


def _shifted(predicted: np.ndarray, true: np.ndarray) -> Iterator[str]:
    for shift, words in ((1, "one above"), (-1, "one below")):
        if (shifted := int((predicted == true + shift).sum())) > len(true) / 2:
            yield (
                f"labels look shifted by one: {shifted} of {len(true)} predictions are {words} "
                "the label"
            )


def better_input(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray,
    logits: np.ndarray,
    convention: Convention,
) -> Better | None:
    """The alternative that is best, if one is clearly better; `labels` are one-hot.

    The network, which has this convention, is tried on ranges, with the channels turned, without
    its normalization, or with that of ImageNet or of these images.
    """
    right = _right(logits, labels)
    if right.all() or np.ndim(network.box.lower) or np.ndim(network.box.upper):
        return None
    wrong = np.flatnonzero(~right)[:FIRST_TRIED]
    candidates = {}
    for each in _alternatives(images, convention):
        mended = _right(network.logits(_converted(images[wrong], each, convention)), labels[wrong])
        if mended.mean() >= MENDED:
            converted = _converted(images, each, convention)
            candidates[each] = _right(network.logits(converted), labels)
    if not candidates:
        return None
    best = max(candidates.values(), key=np.sum)
    gained, lost = _changed(right, best)
    clearly = gained - lost >= BETTER * len(labels) and is_better(gained, lost)
    if not clearly or is_guessing(int(best.sum()), *labels.shape):
        return None
    # one image more is no reason to name an unusual one
    first = next(
        each for each, found in candidates.items() if not is_better(*_changed(found, best))
    )
    counts = {each: int(found.sum()) for each, found in candidates.items()}
    reached = counts.pop(first)
    as_good = [pair for pair in counts.items() if pair[1] >= reached]
    others = tuple(sorted(as_good, key=lambda pair: -pair[1]))
    return Better(first, others, reached, Accuracy(int(right.sum()), len(labels)))


def _changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """How many images are classified correctly only after, and only before."""
    return int((after & ~before).sum()), int((before & ~after).sum())


def _alternatives(images: np.ndarray, convention: Convention) -> Iterator[Alternative]:
    """All that differ from what the network gets; the usual ones first."""
    own = (float(convention.box.lower), float(convention.box.upper))
    colours = CHANNELS in (images.shape[1], images.shape[-1])
    for ends in RANGES if own in RANGES else (own, *RANGES):
        for turned in (False, True) if colours else (False,):
            if (ends, turned) != (own, False):
                yield Alternative(*ends, turned)
            if convention.is_normalized:
                yield Alternative(*ends, turned, unnormalized=True)
    if not convention.is_normalized:
        if colours:
            yield Alternative(0.0, 1.0, normalization=IMAGENET)
        yield Alternative(0.0, 1.0, normalization=_normalization_of(images, convention.box))


def _normalization_of(images: np.ndarray, box: Box) -> Normalization:
    """The mean and std of images, of each channel if there are three; to three digits."""
    x = (images - box.lower) / float(box.width)
    others = None
    if CHANNELS in (images.shape[1], images.shape[-1]):
        channel = _channel_axis(images)
        others = tuple(axis for axis in range(x.ndim) if axis != channel)
    mean, std = (
        tuple(float(f"{each:.3g}") for each in np.ravel(of(x, axis=others)))
        for of in (np.mean, np.std)
    )
    return Normalization(mean, tuple(each or 1.0 for each in std), "these images")


def _converted(images: np.ndarray, to: Alternative, convention: Convention) -> np.ndarray:
    """Images (N, *shape) such that the network's layers see them as the alternative."""
    box = convention.box
    x = to.lower + (images - box.lower) / box.width * (to.upper - to.lower)
    axis = _channel_axis(images)
    if to.turned:
        x = np.flip(x, axis)
    if to.normalization is not None:
        mean, std = (_along(each, axis, x.ndim) for each in to.normalization[:2])
        x = (x - mean) / std
    elif to.unnormalized:
        mean, std = (_along(each, axis, x.ndim) for each in (convention.mean, convention.std))
        x = x * std + mean
    return np.ascontiguousarray(x, np.float32)


def _channel_axis(images: np.ndarray) -> int:
    return images.ndim - 1 if images.shape[-1] == CHANNELS else 1


def _along(numbers: tuple[float, ...], axis: int, ndim: int) -> np.ndarray:
    """Numbers for the channels, in the shape that broadcasts to images."""
    shape = [1] * ndim
    shape[axis] = len(numbers)
    return np.reshape(numbers, shape)


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1) == labels.argmax(axis=1)
