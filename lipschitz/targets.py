"""Which images are scored, and towards which classes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOP2, RANDOM, LEAST, FROM_IDS, ALL = 1, 2, 4, 8, 16  # bits of --target_type
UNTARGETED = "class"  # info of a target that stands for its own class: class0, class1, ...


@dataclass(frozen=True)
class Chosen:
    """An image and its targets; a wrongly classified image has none."""

    image_id: int
    true_label: int
    predicted: int
    targets: list[int]
    info: list[str]

    @property
    def correct(self) -> bool:
        """Whether the network gives the image its label."""
        return self.predicted == self.true_label


def choose(
    logits: np.ndarray, labels: np.ndarray, first: int, target_type: int, seed: int
) -> Iterator[Chosen]:
    """Targets of the images that have these logits and one-hot labels (both (N, K)).

    `first` is the id of the first image. A seed picks what it always picked: Python's own
    generator draws the random class, once for every image, used or not.
    """
    generator = random.Random(seed)
    for image_id, (row, label) in enumerate(zip(logits, labels, strict=True), start=first):
        true_label = int(np.argmax(label))
        ascending = np.argsort(row, kind="stable")
        predicted, least, top2 = int(np.argmax(row)), int(np.argmin(row)), int(ascending[-2])
        drawn = _random_class(generator, len(row), {predicted, least, top2})
        if target_type & ALL:
            named = [(UNTARGETED + str(c), c) for c in range(len(row)) if c != predicted]
        else:
            kinds = ((LEAST, "least", least), (TOP2, "top2", top2), (RANDOM, "random", drawn))
            named = [(info, target) for bit, info, target in kinds if target_type & bit]
        if predicted != true_label:
            named = []
        yield Chosen(
            image_id, true_label, predicted, [target for _, target in named], [i for i, _ in named]
        )


def _random_class(generator: random.Random, num_labels: int, taken: set[int]) -> int:
    """A class other than those taken, drawn until it is none of them."""
    while True:
        drawn = generator.randint(0, num_labels - 1)
        if drawn not in taken:
            return drawn
