"""How many test images a network gets right, and what may be wrong if they are few.

A network that meets values it was not trained on has scores all the same, and they are wrong.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lipschitz.maths.chance import FEWEST, is_better, is_guessing
from lipschitz.network import Convention, Network

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


class Alternative(NamedTuple):
    """Another form in which a network may get its images."""

    lower: float  # black
    upper: float  # white
    turned: bool = False  # blue before red
    normalization: str = ""  # WITHOUT or IMAGENET

    def __str__(self) -> str:
        parts = [f"values in [{self.lower:g}, {self.upper:g}]", self.normalization]
        return " ".join(filter(None, [*parts, "with the channels turned" if self.turned else ""]))


class Better(NamedTuple):
    """An alternative that a network classifies clearly more images correctly in."""

    alternative: Alternative
    right: int  # images that are classified correctly
    before: Accuracy  # without it

    def __str__(self) -> str:
        return (
            f"the network is better on {self.alternative}: {self.right} of {self.before.number} "
            f"test images are classified correctly, not {self.before.right}"
        )


RANGES = ((0.0, 1.0), (-0.5, 0.5), (-1.0, 1.0), (0.0, 255.0))
WITHOUT, IMAGENET = "without its mean and std", "normalized with ImageNet's mean and std"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of values in [0, 1]
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

    The network, which has this convention, is tried on ranges, with the channels turned, and
    without its normalization or with ImageNet's.
    """
    right = _right(logits, labels)
    if right.all() or np.ndim(network.box.lower) or np.ndim(network.box.upper):
        return None
    wrong = np.flatnonzero(~right)[:FIRST_TRIED]
    candidates = {}
    for each in _alternatives(images.shape[1:], convention):
        mended = _right(network.logits(_converted(images[wrong], each, convention)), labels[wrong])
        if mended.mean() >= MENDED:
            converted = _converted(images, each, convention)
            candidates[each] = _right(network.logits(converted), labels)
    if not candidates:
        return None
    best = max(candidates, key=lambda each: candidates[each].sum())
    found = candidates[best]
    gained, lost = int((found & ~right).sum()), int((right & ~found).sum())
    clearly = gained - lost >= BETTER * len(labels) and is_better(gained, lost)
    if not clearly or is_guessing(int(found.sum()), *labels.shape):
        return None
    return Better(best, int(found.sum()), Accuracy(int(right.sum()), len(labels)))


def _alternatives(shape: tuple[int, ...], convention: Convention) -> Iterator[Alternative]:
    """All that differ from what the network gets."""
    own = (float(convention.box.lower), float(convention.box.upper))
    colours = CHANNELS in (shape[0], shape[-1])
    for ends in RANGES if own in RANGES else (own, *RANGES):
        for turned in (False, True) if colours else (False,):
            if (ends, turned) != (own, False):
                yield Alternative(*ends, turned)
            if convention.is_normalized:
                yield Alternative(*ends, turned, WITHOUT)
    if colours and not convention.is_normalized:
        yield Alternative(0.0, 1.0, normalization=IMAGENET)


def _converted(images: np.ndarray, to: Alternative, convention: Convention) -> np.ndarray:
    """Images (N, *shape) such that the network's layers see them as the alternative."""
    box = convention.box
    x = to.lower + (images - box.lower) / box.width * (to.upper - to.lower)
    axis = images.ndim - 1 if images.shape[-1] == CHANNELS else 1
    if to.turned:
        x = np.flip(x, axis)
    if to.normalization == IMAGENET:
        x = (x - _along(IMAGENET_MEAN, axis, x.ndim)) / _along(IMAGENET_STD, axis, x.ndim)
    elif to.normalization == WITHOUT:
        mean, std = (_along(each, axis, x.ndim) for each in (convention.mean, convention.std))
        x = x * std + mean
    return np.ascontiguousarray(x, np.float32)


def _along(numbers: tuple[float, ...], axis: int, ndim: int) -> np.ndarray:
    """Numbers for the channels, in the shape that broadcasts to images."""
    shape = [1] * ndim
    shape[axis] = len(numbers)
    return np.reshape(numbers, shape)


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1) == labels.argmax(axis=1)
