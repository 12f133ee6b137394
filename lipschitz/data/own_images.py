"""The user's own images: arrays, tables or pictures, in files or as values from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from lipschitz.data import numpy_files, pictures
from lipschitz.data.array_images import of_arrays
from lipschitz.data.fitting import Ends
from lipschitz.data.on_demand import FittedImages
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable, say

ARRAYS, MAPPED = ".npz", ".npy"
TEXT_TABLES, PARQUET = (".csv", ".tsv"), ".parquet"
KINDS = "a folder of pictures or of class folders, a picture, .npz, .npy, .csv, .tsv or .parquet"

MOST_TAKEN = 10_000  # images of a data set in batches
LARGEST_TAKEN = 2**32  # bytes


class OwnImages(Protocol):
    """Images as they were found; `fitted` to a network, they can be scored."""

    shape: tuple[int, ...] | None  # of one image; None if they differ
    names: tuple[str, ...]  # of the files of pictures; else none
    labels: np.ndarray | None  # (N,) numbers; None if there are none
    classes: tuple[str, ...]  # the names of the labels 0, 1, ..., if they have names
    is_table: bool  # whether images are rows of features
    is_scaled: bool  # whether their black and white become those of a network

    def __len__(self) -> int: ...

    def labels_for(self, num_labels: int) -> np.ndarray | None:
        """Labels (N,) from 0 to num_labels - 1. Raises InputError if they are others."""

    def fitted(self, input_shape: tuple[int, ...], lower: Ends, upper: Ends) -> FittedImages:
        """The images in a network's shape and range.

        Raises InputError if they do not fit, RangeError if their values are outside.
        """


def load(place: Path, names: tuple[str, str] | None = None, label: str = "") -> OwnImages:
    """The images in a file or folder.

    `names` are those of the arrays of images and labels in an .npz file, the second may be empty;
    `label` is the column of labels in a table, if it is another than `label`. Raises NamesError or
    ColumnError if they are not there, InputError if there are no images that can be read.
    """
    try:
        return _read(place, names, label)
    except InputError as error:
        raise type(error)(printable(f"{place}: {error}")) from error
    except Exception as error:  # the libraries have no common class for what can be wrong in a file
        raise InputError(printable(f"{place} cannot be read: {first_line(error)}")) from error


def _read(place: Path, names: tuple[str, str] | None, label: str) -> OwnImages:
    kind = place.suffix.lower()
    if not os.path.exists(place):  # Path.exists raises if a name is too long
        raise InputError("not found")
    if names is not None and kind != ARRAYS:
        raise InputError("names of arrays are for .npz files")
    if label and kind not in (*TEXT_TABLES, PARQUET):
        raise InputError("a column of labels is for tables, .csv, .tsv and .parquet")
    if pictures.are_at(place):
        return pictures.load(place)
    if kind == ARRAYS:
        return numpy_files.load_npz(place, names)
    if kind == MAPPED:
        return numpy_files.load_npy(place)
    from lipschitz.data import tables  # pandas takes long to import

    if kind in TEXT_TABLES:
        return tables.load_text(place, label)
    if kind == PARQUET:
        return tables.load_parquet(place, label)
    raise InputError(f"its ending is not known: give {KINDS}")


def of_values(images: object, labels: object = None) -> OwnImages:
    """Values from Python: arrays, tensors or lists (N, *shape), a data frame, or a data set.

    A data set is anything that gives batches, of images alone or (images, labels); if it has more,
    its first `MOST_TAKEN` images are taken, with a line. Raises InputError if there are no images
    in it.
    """
    if hasattr(images, "iloc"):
        from lipschitz.data import tables

        frame = tables.of_frame(images)
        if labels is None:
            return frame
        return of_arrays(frame.values, _array(labels, "labels"), frame.columns)
    if labels is None and _gives_batches(images):
        return of_arrays(*_joined(_each(images)))
    return of_arrays(_array(images, "images"), None if labels is None else _array(labels, "labels"))


def _array(values: object, what: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except Exception as error:  # frameworks have no common class for what they cannot give
        raise InputError(f"the {what} are no array of one shape: {first_line(error)}") from error


def _gives_batches(values: object) -> bool:
    if isinstance(values, (list, tuple, dict, str, bytes)):
        return False
    if hasattr(values, "__array__") or hasattr(values, "__array_interface__"):
        return False
    return hasattr(values, "__iter__") or hasattr(values, "__getitem__")


def _each(batches: object) -> Iterable[object]:
    """The batches, one after the other; Keras's data sets have numbers in place of an iterator."""
    if hasattr(batches, "__iter__"):
        return batches
    return (batches[number] for number in range(len(batches)))


def _joined(batches: Iterable[object]) -> tuple[np.ndarray, np.ndarray | None]:
    """The images and the labels of the first batches."""
    images, labels = [], []
    for batch in batches:
        some_images, some_labels = _of_batch(batch)
        images.append(some_images)
        labels.append(some_labels)
        taken, size = sum(map(len, images)), sum(each.nbytes for each in images)
        if taken >= MOST_TAKEN or size >= LARGEST_TAKEN:
            say(f"of the data set the first {min(taken, MOST_TAKEN):,} images are taken")
            break
    if not images:
        raise InputError("the data set gives no images")
    try:
        return (
            np.concatenate(images)[:MOST_TAKEN],
            None if labels[0] is None else np.concatenate(labels)[:MOST_TAKEN],
        )
    except ValueError as error:
        raise InputError(f"the batches of the data set differ: {first_line(error)}") from error


def _of_batch(batch: object) -> tuple[np.ndarray, np.ndarray | None]:
    """The images and labels of a batch; of a single image with its label, as a batch of one."""
    parts = batch if isinstance(batch, (tuple, list)) else [batch]
    images = _array(parts[0], "images of a batch")
    labels = _array(parts[1], "labels of a batch") if len(parts) > 1 else None
    if labels is not None and labels.ndim == 0:
        images, labels = images[None], labels[None]
    if images.ndim == 0:
        raise InputError("the data set gives no batches of images: give (images, labels)")
    if labels is not None and len(labels) != len(images):
        raise InputError(
            f"the data set gives {len(images)} images with {len(labels)} labels: is it in batches?"
        )
    return images, labels
