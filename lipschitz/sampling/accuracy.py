"""How many test images a network gets right, and what may be wrong if they are few.

A network that meets values it was not trained on has scores all the same, and they are wrong.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lipschitz.maths.chance import FEWEST, is_better, is_guessing
from lipschitz.network import Box, Network

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


class Range(NamedTuple):
    """A range of values: how images in [-0.5, 0.5] come to it, and the layer that does this."""

    convert: Callable[[np.ndarray], np.ndarray]
    layer: str


RANGES = {
    "x + 0.5": Range(lambda x: x + 0.5, "keras.layers.Rescaling(1.0, offset=0.5)"),
    "255 (x + 0.5)": Range(
        lambda x: 255 * (x + 0.5), "keras.layers.Rescaling(255.0, offset=127.5)"
    ),
    "2 x": Range(lambda x: 2 * x, "keras.layers.Rescaling(2.0)"),
}
TURNED = "the channels turned"
TURN = "keras.ops.flip(x, axis=-1)"


def of_logits(logits: np.ndarray, labels: np.ndarray) -> Accuracy:
    """The accuracy of logits for one-hot labels, both (N, K)."""
    return Accuracy(int(_right(logits, labels).sum()), len(labels))


def doubts(
    network: Network, images: np.ndarray, labels: np.ndarray, logits: np.ndarray
) -> Iterator[str]:
    """What is suspicious in the logits (N, K) of images with one-hot labels, for people to read.

    If images are classified wrongly, the network also sees them in other ranges and with their
    channels turned; one that is better is named with the layer that the network lacks.
    """
    accuracy = of_logits(logits, labels)
    if is_guessing(*accuracy, labels.shape[1]):
        yield f"{accuracy} test images are classified correctly, no more than guessing gives"
    yield from _of_predictions(logits.argmax(axis=1), labels.argmax(axis=1))
    if accuracy.right < accuracy.number and network.box == Box():
        yield from _better_ranges(network, images, labels, _right(logits, labels))


def _of_predictions(predicted: np.ndarray, true: np.ndarray) -> Iterator[str]:
    """What shows in the predictions (N,) alone, if there are enough."""
    if len(true) < FEWEST:
        return
    for shift, words in ((1, "one above"), (-1, "one below")):
        if (shifted := int((predicted == true + shift).sum())) > len(true) / 2:
            yield (
                f"labels look shifted by one: {shifted} of {len(true)} predictions are {words} "
                "the label"
            )
    label = int(np.bincount(predicted).argmax())
    constant = (predicted == label).mean() >= CONSTANT
    if constant and (true == label).mean() < CONSTANT:
        yield f"the predictions are nearly constant: class {label}"


def _better_ranges(
    network: Network, images: np.ndarray, labels: np.ndarray, right: np.ndarray
) -> Iterator[str]:
    """The range that is best of those that are clearly better."""
    tried = dict(RANGES)
    if images.shape[-1] == 3:
        tried |= {TURNED: Range(_turned, TURN)} | {
            f"{name} with {TURNED}": Range(
                lambda x, convert=each.convert: _turned(convert(x)), f"{each.layer} and {TURN}"
            )
            for name, each in RANGES.items()
        }
    wrong = np.flatnonzero(~right)[:FIRST_TRIED]
    candidates = {}
    for name, each in tried.items():
        mended = _right(network.logits(_converted(images[wrong], each)), labels[wrong])
        if mended.mean() >= MENDED:
            candidates[name] = _right(network.logits(_converted(images, each)), labels)
    if not candidates:
        return
    best = max(candidates, key=lambda name: candidates[name].sum())
    found = candidates[best]
    gained, lost = int((found & ~right).sum()), int((right & ~found).sum())
    clearly = gained - lost >= BETTER * len(labels) and is_better(gained, lost)
    if clearly and not is_guessing(int(found.sum()), *labels.shape):
        yield (
            f"the network is better on {best}: {found.sum()} of {len(labels)} test images are "
            f"classified correctly, not {right.sum()}. It gets values in [-0.5, 0.5]; if it was "
            f"trained on others, put {tried[best].layer} in front of its layers"
        )


def _converted(images: np.ndarray, to: Range) -> np.ndarray:
    return np.ascontiguousarray(to.convert(images), np.float32)


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1) == labels.argmax(axis=1)


def _turned(images: np.ndarray) -> np.ndarray:
    return images[..., ::-1]
