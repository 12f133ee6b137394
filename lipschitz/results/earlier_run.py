"""The images and targets of an earlier run, read from its files for another network."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lipschitz.data.background import shift
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


def read(folder: Path, settings: Mapping[str, int] = MappingProxyType({})) -> EarlierRun:
    """The run that saved the files in a folder and below it.

    Several experiments, of other settings say, are one run if their images and targets are the
    same. If they are not, that counts whose files' names have these `settings` (nsamp, niters,
    order). Raises InputError if there is not one, or there are no files that can be read.
    """
    records = scoring.load(scoring.find_files([folder])).records
    if not records:
        raise InputError(f"none of the files in {folder} can be read")
    experiments = [scoring.each_once(members)[0] for members in scoring.experiments(records)]
    alike = [each for each in experiments if _has(each[0], settings)]
    for chosen in (experiments, alike):
        runs = [_run_of(members) for members in chosen]
        if runs and all(run == runs[0] for run in runs):
            return runs[0]
    raise InputError(
        f"{folder} holds {len(experiments)} experiments whose images or targets differ "
        f"({printable(some(scoring.headings(experiments)))}): name the folder of one, or give its "
        "N and iterations"
    )


def _has(record: Record, settings: Mapping[str, int]) -> bool:
    """Whether a file's name has these settings."""
    return all(getattr(record.name, name) == value for name, value in settings.items())


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
