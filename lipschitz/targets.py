"""Which images are scored, and towards which classes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOP2, RANDOM, LEAST, ALL = 1, 2, 4, 16  # bits of --target_type
UNTARGETED = "class"  # info of a target that stands for its own class: class0, class1, ...


@dataclass(frozen=True)
class Chosen:
    """An image and its targets; one that the network gets wrong has none."""

    image_id: int
    true_label: int
    predicted: int
    correct: bool
    targets: list[int]
    info: list[str]


def choose(
    logits: np.ndarray, labels: np.ndarray, first: int, target_type: int, seed: int
) -> Iterator[Chosen]:
    """Targets of the images that have these logits and one-hot labels (both (N, K)).

    `first` is the id of the first image. A seed picks what it always picked: Python's own
    generator draws the random class, once for every image, used or not. An image whose largest
    logit is another class's too has no margin, and counts as wrong.
    """
    generator = random.Random(seed)
    for image_id, (row, label) in enumerate(zip(logits, labels, strict=True), start=first):
        true_label, predicted = int(np.argmax(label)), int(np.argmax(row))
        others = np.delete(np.arange(len(row)), predicted)
        least, top2 = int(others[row[others].argmin()]), int(others[row[others].argmax()])
        drawn = _random_class(generator, len(row), {predicted, least, top2})
        correct = predicted == true_label and bool(row[predicted] > row[top2])
        if target_type & ALL:
            named = [(UNTARGETED + str(other), int(other)) for other in others]
        else:
            kinds = ((LEAST, "least", least), (TOP2, "top2", top2), (RANDOM, "random", drawn))
            named = [
                (info, target)
                for bit, info, target in kinds
                if target_type & bit and target is not None
            ]
        if not correct:
            named = []
        info, targets = [info for info, _ in named], [target for _, target in named]
        yield Chosen(image_id, true_label, predicted, correct, targets, info)


def _random_class(generator: random.Random, num_labels: int, taken: set[int]) -> int | None:
    """A class other than those taken, drawn until it is none of them; None where all are."""
    while len(taken) < num_labels:
        drawn = generator.randint(0, num_labels - 1)
        if drawn not in taken:
            return drawn
    return None
