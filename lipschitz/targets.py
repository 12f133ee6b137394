"""Which images are scored, and towards which classes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOP2, RANDOM, LEAST, USER, ALL = 1, 2, 4, 8, 16  # bits of --target_type
UNTARGETED = "class"  # info of a target that stands for its own class: class0, class1, ...
NAMED_BY_USER = "user"  # info of a target that a file of ids names


@dataclass(frozen=True)
class Chosen:
    """An image and its targets; one that the network gets wrong has none."""

    image_id: int
    true_label: int
    predicted: int
    correct: bool
    largest_logit: float
    targets: list[int]
    info: list[str]


def choose(
    ids: list[int],
    logits: np.ndarray,
    labels: np.ndarray,
    target_type: int,
    generator: random.Random,
    lowest_random: int = 0,
    by_user: list[list[int]] | None = None,
) -> Iterator[Chosen]:
    """Targets of the images `ids` that have these logits and one-hot labels (both (N, K)).

    A seed picks what it always picked: Python's own generator draws the random class, once for
    every image, used or not; of `lowest_random` and the K - 1 numbers that follow it. Targets
    `by_user` (a list for each image) take the place of all others, and nothing is drawn. An
    image whose largest logit is another class's too, or not finite, has no margin and counts as
    wrong.
    """
    for place, (row, label) in enumerate(zip(logits, labels, strict=True)):
        true_label, predicted = int(np.argmax(label)), int(np.argmax(row))
        others = np.delete(np.arange(len(row)), predicted)
        least, top2 = int(others[row[others].argmin()]), int(others[row[others].argmax()])
        if by_user is not None:
            named = [(NAMED_BY_USER, target) for target in by_user[place]]
        else:
            drawn = _random_class(generator, lowest_random, len(row), {predicted, least, top2})
            if target_type & ALL:
                named = [(UNTARGETED + str(other), int(other)) for other in others]
            else:
                kinds = ((LEAST, "least", least), (TOP2, "top2", top2), (RANDOM, "random", drawn))
                named = [
                    (info, target)
                    for bit, info, target in kinds
                    if target_type & bit and target is not None
                ]
        finite = bool(np.isfinite(row).all())
        correct = finite and predicted == true_label and bool(row[predicted] > row[top2])
        if not correct:
            named = []
        info, targets = [info for info, _ in named], [target for _, target in named]
        largest = float(row[predicted])
        yield Chosen(ids[place], true_label, predicted, correct, largest, targets, info)


def _random_class(
    generator: random.Random, lowest: int, num_labels: int, taken: set[int]
) -> int | None:
    """A class other than those taken, drawn until it is none of them; None where all are."""
    free = set(range(lowest, num_labels)) - taken
    while free:
        drawn = generator.randint(lowest, lowest + num_labels - 1)
        if drawn in free:
            return drawn
    return None
