"""Images that are made when they are asked for, so that few of them are in memory."""

from collections.abc import Callable

import numpy as np


class ImagesOnDemand:
    """Images by index (*shape) or slice (n, *shape), float32."""

    def __init__(
        self, count: int, shape: tuple[int, ...], image: Callable[[int], np.ndarray]
    ) -> None:
        """`image` makes one of them, by its number."""
        self._numbers = range(count)
        self._shape = shape
        self._image = image

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *shape), as of an array."""
        return len(self), *self._shape

    def __getitem__(self, index: int | slice) -> np.ndarray:
        chosen = self._numbers[index]
        if not isinstance(chosen, range):
            return self._image(chosen)
        images = np.empty((len(chosen), *self._shape), np.float32)
        for image, number in zip(images, chosen, strict=True):
            image[...] = self._image(number)
        return images


class FittedImages(ImagesOnDemand):
    """Images as a network takes them, in its shape and range."""

    def __init__(
        self,
        count: int,
        shape: tuple[int, ...],
        image: Callable[[int], np.ndarray],
        described: str,
    ) -> None:
        """`described` says in a few words what there is, and what was made of it."""
        super().__init__(count, shape, image)
        self.described = described
