"""How images as they were found become what a network takes: its shape, its range of values."""

import math

import numpy as np

from lipschitz.support.errors import InputError

WHITE = 255  # of whole numbers, black being 0

Ends = float | np.ndarray  # of a range: one for all values, or one for each


class RangeError(InputError):
    """The values of images are not in the range they should be in."""

    def __init__(self, message: str, lowest: float, highest: float) -> None:
        """`lowest` and `highest` are the values that were found."""
        super().__init__(message)
        self.lowest = lowest
        self.highest = highest


def by(shape: tuple[int, ...]) -> str:
    """A shape in print: 28x28x1."""
    return "x".join(map(str, shape))


def arranged(image: np.ndarray, needed: tuple[int, ...]) -> np.ndarray | None:
    """The image in the needed shape, or None if it does not fit.

    Axes of length 1 are of no account. A row of values fits an image of as many values, and the
    reverse. Channels may come first in place of last, or last in place of first.
    """
    found, wanted = _long_axes(image.shape), _long_axes(needed)
    is_row = len(found) <= 1 or len(wanted) <= 1
    if found == wanted or (is_row and image.size == math.prod(needed)):
        return image.reshape(needed)
    if image.ndim > 2:
        for turned in (np.moveaxis(image, 0, -1), np.moveaxis(image, -1, 0)):
            if turned.shape == needed:
                return turned
    return None


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def to_range(pixels: np.ndarray, white: int, lower: Ends, upper: Ends) -> np.ndarray:
    """Whole numbers, 0 to `white`, as float32 from `lower` to `upper`."""
    width = np.subtract(upper, lower).astype(np.float32)
    scaled = pixels.astype(np.float32, order="C") / np.float32(white)
    return clipped(scaled * width + np.asarray(lower, np.float32), lower, upper)


def clipped(values: np.ndarray, lower: Ends, upper: Ends) -> np.ndarray:
    """The values as float32, those that rounding put outside at the ends of the range."""
    ends = np.asarray(lower, np.float32), np.asarray(upper, np.float32)
    return np.clip(values.astype(np.float32, order="C"), *ends)
