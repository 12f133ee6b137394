"""Images in an array, or rows of features: fitted to a network one at a time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lipschitz.data import labels as labels_of
from lipschitz.data.fitting import WHITE, Ends, RangeError, arranged, by, clipped, to_range
from lipschitz.data.on_demand import FittedImages
from lipschitz.data.words import counted, some
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

WHOLE, NUMBERS = "biu", "biuf"  # kinds of NumPy's types
HARDLY_ANY = 0.02  # of a range that all images together use: they are of another
DARK = 64  # whole numbers that are all less are hardly of images whose white is 255
FEWEST_PIXELS = 16
ROUNDING = 1e-6  # of the width or the ends of a range: how far outside a value may lie


class ColumnError(InputError):
    """The column of labels has to be named, or is not there."""


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images of one shape, and their labels if they have any; `of_arrays` makes them."""

    values: np.ndarray  # (N, *shape)
    labels: np.ndarray | None  # (N,), numbers
    classes: tuple[str, ...]  # the names of the labels 0, 1, ..., if they have names
    columns: tuple[str, ...]  # the names of the features, if this is a table

    names = ()  # pictures have names

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image, as it was found."""
        return self.values.shape[1:]

    @property
    def is_table(self) -> bool:
        """Whether the images are rows of features."""
        return bool(self.columns)

    @property
    def is_scaled(self) -> bool:
        """Whether the values are pixels, whose black and white become those of a network."""
        return self._white() is not None

    @property
    def looks_like_pixels(self) -> bool:
        """Whether a table has columns enough for an image, of whole numbers from 0 to 255."""
        lowest, highest = self._extent()
        whole = self.values.dtype.kind in WHOLE and lowest == 0 and DARK <= highest <= WHITE
        return whole and len(self.columns) >= FEWEST_PIXELS

    def labels_for(self, num_labels: int) -> np.ndarray | None:
        """Labels (N,) from 0 to num_labels - 1. Raises InputError if they are others."""
        if self.labels is None:
            return None
        return labels_of.numbers(self.labels, self.classes, num_labels)

    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest value at each place of an image, both (*shape) float32.

        Where a value never varies, there is a little room above it. Raises InputError if a value is
        not finite.
        """
        least, largest = self._finite_ends()
        room = np.float32(ROUNDING) * np.maximum(np.abs(least), np.float32(1))
        return least, np.where(largest > least, largest, least + room)

    def _finite_ends(self) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore"):
            least, largest = (end.astype(np.float32) for end in self._ends)
            if not (np.isfinite(least).all() and np.isfinite(largest).all()):
                finite = (np.isfinite(image.astype(np.float32)).all() for image in self.values)
                number = next(number for number, is_finite in enumerate(finite) if not is_finite)
                raise InputError(f"image {number} has values that are not finite")
        return least, largest

    def fitted(self, input_shape: tuple[int, ...], lower: Ends, upper: Ends) -> FittedImages:
        """The images in a network's input shape, with values from `lower` to `upper`.

        Whole numbers from 0 to 255 are pixels: 0 becomes `lower`, 255 `upper`. If all are 0 or 1,
        1 becomes `upper`. Other values, and those of a table whose columns have ranges of their
        own, are taken as they are. Raises InputError if the images do not fit, RangeError if values
        lie outside.
        """
        if arranged(self.values[0], input_shape) is None:
            raise self._misfit(input_shape)
        white = None if self.is_table and np.ndim(lower) else self._white()
        if white is None:
            self._check_range(input_shape, lower, upper)

        def image(number: int) -> np.ndarray:
            found = arranged(self.values[number], input_shape)
            return to_range(found, white, lower, upper) if white else clipped(found, lower, upper)

        described = self._described(input_shape, white, lower, upper)
        return FittedImages(len(self), input_shape, image, described)

    def _white(self) -> int | None:
        """The whole number that stands for white; None if values are taken as they are.

        Raises InputError if it is not clear.
        """
        lowest, highest = self._extent()
        if self.values.dtype.kind not in WHOLE or lowest < 0 or highest > WHITE:
            return None
        if 1 < highest < DARK:
            raise InputError(
                f"the images are whole numbers from {lowest} to {highest}, where 0 is black and "
                f"{WHITE} white: divide them by their white, and by {WHITE} if they are this dark"
            )
        return 1 if highest == 1 else WHITE

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        return self.values.min(axis=0), self.values.max(axis=0)

    def _extent(self) -> tuple[np.generic, np.generic]:
        least, largest = self._ends
        return least.min(), largest.max()

    def _check_range(self, input_shape: tuple[int, ...], lower: Ends, upper: Ends) -> None:
        least, largest = (arranged(end, input_shape) for end in self._finite_ends())
        size = np.maximum(np.abs(lower), np.abs(upper))
        room = ROUNDING * np.maximum(np.subtract(upper, lower), size)
        outside = (least < lower - room) | (largest > upper + room)
        lowest, highest = float(least.min()), float(largest.max())
        one_range = np.ndim(lower) == np.ndim(upper) == 0
        if one_range and highest - lowest < HARDLY_ANY * (upper - lower):
            raise RangeError(
                f"the images have values from {lowest:.7g} to {highest:.7g}, hardly any of the "
                f"{lower:.7g} to {upper:.7g} that the network takes",
                lowest,
                highest,
            )
        if outside.any():
            narrow = f" ({outside.sum()} of {outside.size} values have a range of their own)"
            raise RangeError(
                f"the images have values from {lowest:.7g} to {highest:.7g}, the network takes "
                f"{np.min(lower):.7g} to {np.max(upper):.7g}" + ("" if one_range else narrow),
                lowest,
                highest,
            )

    def _misfit(self, input_shape: tuple[int, ...]) -> InputError:
        """What to raise if the images do not fit."""
        takes = f"the network takes {by(input_shape)}"
        if self.is_table:
            shown = printable(some(self.columns))
            there = f"the rows have {by(self.shape)} values ({shown}), {takes}"
            if self.labels is not None:
                return InputError(there)
            return ColumnError(f"{there}: if a column is the label, name it")
        grey = (*input_shape[:-1], 1)
        is_grey = arranged(self.values[0], grey) is not None and input_shape[-1] == 3
        if is_grey:
            return InputError(
                f"the images are {by(self.shape)}, {takes} (3 channels): repeat the grey values "
                "for each"
            )
        return InputError(
            f"the images are {by(self.shape)}, {takes}: give arrays of that shape, or pictures, "
            "which are made to fit"
        )

    def _described(
        self, input_shape: tuple[int, ...], white: int | None, lower: Ends, upper: Ends
    ) -> str:
        images = f"{counted(len(self), 'image')} {by(self.shape)}"
        if self.is_table:
            images = f"{counted(len(self), 'row')} of {counted(len(self.columns), 'value')}"
        turned = f" as {by(input_shape)}" if self.shape != input_shape else ""
        if white is None:
            values = "{:.5g} to {:.5g}".format(*self._extent())
        else:
            ends = f"{np.min(lower):.5g} to {np.max(upper):.5g}"
            values = f"0 {'and' if white == 1 else 'to'} {white} as {ends}"
        return f"{images}{turned} ({self.values.dtype.name}, {values})"


def of_arrays(
    values: np.ndarray, labels: np.ndarray | None = None, columns: tuple[str, ...] = ()
) -> ArrayImages:
    """Images (N, *shape) and labels: (N,) numbers or text, or one-hot rows (N, classes).

    Raises InputError if they are anything else, or if there are none.
    """
    if values.dtype.kind not in NUMBERS:
        raise InputError(f"the images are of the type {values.dtype.name}, not numbers")
    if values.ndim < 2:
        raise InputError(f"the images have the shape {values.shape}: give (N, ...) for N images")
    if not values.size:
        raise InputError(f"there are no images: they have the shape {values.shape}")
    if labels is None:
        return ArrayImages(values, None, (), columns)
    return ArrayImages(values, *labels_of.read(labels, len(values)), columns)
