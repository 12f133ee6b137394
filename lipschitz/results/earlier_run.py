"""The images and targets of an earlier run, read from its files for another network."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipschitz.data.photographs import WITH_BACKGROUND, WITHOUT_BACKGROUND, first_class
from lipschitz.data.words import some
from lipschitz.results import scoring
from lipschitz.results.matfile import Record
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

Targets = list[tuple[str, int]]  # the kind and class of each


class EarlierImage(NamedTuple):
    """An image that was sampled, and the targets that it had."""

    image_id: int
    true_label: int
    targets: Targets


@dataclass(frozen=True)
class EarlierRun:
    """The images of a run by number, and how many classes its network has."""

    images: Sequence[EarlierImage]
    num_labels: int


def read(folder: Path) -> EarlierRun:
    """The run that saved the files in a folder and below it.

    Several experiments, of other settings say, are one run if their images and targets are the
    same. Raises InputError if they are not, and if there are no files that can be read.
    """
    records = scoring.load(scoring.find_files([folder])).records
    if not records:
        raise InputError(f"none of the files in {folder} can be read")
    experiments = [scoring.each_once(members)[0] for members in scoring.experiments(records)]
    first, *others = map(_run_of, experiments)
    if any(other != first for other in others):
        named = printable(some(scoring.headings(experiments)))
        raise InputError(
            f"{folder} holds {len(experiments)} experiments whose images or targets differ "
            f"({named}): name the folder of one"
        )
    return first


def targets(run: EarlierRun, labels: np.ndarray, has_labels: bool = True) -> list[Targets]:
    """The targets of the run's images, for a network that has one-hot `labels` (N, K) of them.

    If the data set has no labels, `labels` are what the network predicts, and an image that it
    takes as another class has no targets. Raises InputError if a label is another, or the network
    lacks a class.
    """
    num_labels = labels.shape[1]
    moved = shift(run.num_labels, num_labels)
    found = []
    for image, label in zip(run.images, labels.argmax(axis=1).tolist(), strict=True):
        if image.true_label + moved == label:
            found.append(_moved(image, moved, num_labels))
        elif has_labels:
            raise InputError(
                f"image {image.image_id} is of class {image.true_label + moved} there, and of "
                f"class {label} here: it is another data set, or another order of its images"
            )
        else:
            found.append([])
    return found


def shift(before: int, now: int) -> int:
    """What is added to the labels of one network to get another's; they have so many classes.

    It is 0, but for networks of ImageNet of which one alone has the background.
    """
    if {before, now} != {WITHOUT_BACKGROUND, WITH_BACKGROUND}:
        return 0
    return first_class(before) - first_class(now)


def _run_of(members: Iterable[Record]) -> EarlierRun:
    """The images and targets of an experiment."""
    pairs = defaultdict(list)
    for record in members:
        name = record.name
        pairs[name.image_id, name.true_label].append((name.info, name.target_label))
    images = [EarlierImage(*image, each) for image, each in pairs.items()]
    return EarlierRun(images, max(record.num_labels for record in members))


def _moved(image: EarlierImage, by: int, num_labels: int) -> Targets:
    """The targets of an image in the classes of another network. Raises InputError."""
    for _, target in image.targets:
        if not 0 <= target + by < num_labels:
            raise InputError(
                f"target {target} of image {image.image_id} is a class that this network lacks"
            )
    return [(kind, target + by) for kind, target in image.targets]
