"""What a run has to do: its images, with a file for each of their targets."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipschitz.data.targets import SelectedImage
from lipschitz.network import Network
from lipschitz.settings import Provenance, Settings


@dataclass(frozen=True)
class TargetFile:
    """A target of an image: its number in the run, and the file of its maxima."""

    number: int
    info: str
    target: int
    path: Path


@dataclass(frozen=True)
class ImageTask:
    """An image of a run, its targets' files, and what their numbers come from."""

    image: SelectedImage
    x_0: np.ndarray
    files: list[TargetFile]
    provenance: Provenance


def image_tasks(
    chosen: Iterable[SelectedImage],
    images: Mapping[int, np.ndarray],
    folder: Path,
    settings: Settings,
    network: Network,
) -> list[ImageTask]:
    """The images that have a score, with their targets numbered consecutively.

    `images` has their values by id.
    """
    numbers = itertools.count()
    tasks = []
    for image in chosen:
        if not image.correct:
            continue
        image_id, x_0 = image.image_id, images[image.image_id]
        named = (
            (info, target, settings.file_name(image_id, image.true_label, target, info))
            for info, target in zip(image.info, image.targets, strict=True)
        )
        files = [
            TargetFile(next(numbers), info, target, folder / str(name))
            for info, target, name in named
        ]
        provenance = settings.provenance(network, x_0, image.largest_logit)
        tasks.append(ImageTask(image, x_0, files, provenance))
    return tasks
