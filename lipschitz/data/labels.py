"""Labels as users write them, and the numbers of a network's classes that they stand for."""

import re

import numpy as np

from lipschitz.data.words import counted, some
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable, say

WHOLE_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
NUMBERS, TEXT, BYTES, OBJECTS = "biuf", "U", "S", "O"  # kinds of NumPy's types


def read(found: np.ndarray, images: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels (images,) as numbers, and the names of the classes if they have names.

    Labels are numbers, one-hot rows (images, classes) or text, which is numbered in the sorted
    order of its distinct names. Raises InputError if they are none of these, or not as many.
    """
    if found.ndim == 0:
        raise InputError("the labels are a single value: give one for each image")
    if len(found) != images:
        raise InputError(f"there are {images} images and {len(found)} labels")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 1 and _is_text(found):
        return _of_text(found)
    if found.dtype.kind not in NUMBERS:
        raise InputError(f"the labels are of the type {found.dtype.name}: give numbers or names")
    return (found if found.ndim == 1 else _of_one_hot(found)), ()


def numbers(labels: np.ndarray, classes: tuple[str, ...], num_labels: int) -> np.ndarray:
    """The labels (N,) as whole numbers from 0 to num_labels - 1.

    Fewer names than classes are taken with a line. Raises InputError if there are more, or if a
    label is none of these numbers.
    """
    if classes:
        _compare(classes, num_labels)
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():  # nan is no number
        image = int(np.argmax(labels != np.floor(labels)))
        raise InputError(f"the label of image {image} is {labels[image]:g}, no whole number")
    lowest, highest = float(labels.min()), float(labels.max())
    if lowest < 0 or highest >= num_labels:
        from_one = lowest >= 1 and highest == num_labels
        raise InputError(
            f"the labels go from {lowest:.15g} to {highest:.15g}, the network has the classes 0 to "
            f"{num_labels - 1}" + (": subtract 1" if from_one else "")
        )
    return labels.astype(np.int64)


def _of_one_hot(rows: np.ndarray) -> np.ndarray:
    if rows.ndim != 2 or not (np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise InputError(
            f"the labels have the shape {rows.shape} and are not one-hot: give a number for each "
            "image, or rows of zeros and a single one"
        )
    return rows.argmax(axis=1)


def _is_text(found: np.ndarray) -> bool:
    is_strings = found.dtype.kind == OBJECTS and all(isinstance(label, str) for label in found)
    return is_strings or found.dtype.kind in TEXT + BYTES


def _of_text(found: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Text that is whole numbers throughout stands for these."""
    if found.dtype.kind == BYTES:
        found = np.char.decode(found, "utf-8", "replace")
    classes, labels = np.unique(found, return_inverse=True)
    if all(WHOLE_NUMBER.fullmatch(name) for name in classes):
        return found.astype(np.int64), ()
    return labels, tuple(classes.tolist())


def _compare(classes: tuple[str, ...], num_labels: int) -> None:
    names = f"{counted(len(classes), 'name')} ({printable(some(classes))})"
    there = f"the labels are {names}, the network has {num_labels} classes"
    if len(classes) > num_labels:
        raise InputError(there)
    if len(classes) < num_labels:
        say(f"{there}: the names are taken as the classes 0 to {len(classes) - 1}, in this order")
