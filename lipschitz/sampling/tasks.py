"""What a run has to do: its images, with a file for each of their targets."""

import copy
import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    """An image of a run, and its targets' files; the image itself is read when it is needed."""

    image: SelectedImage
    files: list[TargetFile]
    images: Mapping[int, np.ndarray] | Sequence[np.ndarray]
    settings: Settings
    network: Network

    @cached_property
    def x_0(self) -> np.ndarray:
        """The image."""
        return self.images[self.image.image_id]

    @cached_property
    def provenance(self) -> Provenance:
        """What the numbers of its files come from."""
        return self.settings.provenance(self.network, self.x_0, self.image.largest_logit)


class ImageTasks(Sequence[ImageTask]):
    """The images that have a score, with their targets numbered consecutively.

    Each task is made when it is asked for: whoever goes through them holds one image at a time.
    """

    def __init__(
        self,
        chosen: Iterable[SelectedImage],
        images: Mapping[int, np.ndarray] | Sequence[np.ndarray],
        folder: Path,
        settings: Settings,
        network: Network,
    ) -> None:
        """`images` has their values by id."""
        self._of_all = images, settings, network
        self.network = network
        self._chosen = [image for image in chosen if image.correct]
        numbers = itertools.count()

        def file(image: SelectedImage, info: str, target: int) -> TargetFile:
            name = settings.file_name(image.image_id, image.true_label, target, info)
            return TargetFile(next(numbers), info, target, folder / str(name))

        self._files = [
            [file(image, *of_target) for of_target in zip(image.info, image.targets, strict=True)]
            for image in self._chosen
        ]

    def of(self, image_ids: Container[int]) -> "ImageTasks":
        """Those of some images; their targets keep their numbers."""
        part = copy.copy(self)
        places = [i for i, image in enumerate(self._chosen) if image.image_id in image_ids]
        part._chosen = [self._chosen[i] for i in places]
        part._files = [self._files[i] for i in places]
        return part

    @property
    def paths(self) -> set[Path]:
        """The files of all targets."""
        return {file.path for files in self._files for file in files}

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, place: int) -> ImageTask:
        return ImageTask(self._chosen[place], self._files[place], *self._of_all)
