"""Which files in a folder are pictures, and of which class: it may have a folder for each."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipschitz.data.words import some
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError
from lipschitz.support.text import say

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
CLASSES = "classes.txt"  # the names of class folders, a line each
LARGEST_CLASSES = 2**20  # bytes
MOST = 100_000  # pictures


class Listed(NamedTuple):
    """Pictures by their paths in a folder, with their classes if there are class folders."""

    names: list[str]
    labels: np.ndarray | None = None  # (N,), places in `classes`
    classes: tuple[str, ...] = ()


class _Entries(NamedTuple):
    """The sorted names of what is in a folder and not hidden."""

    pictures: list[str]
    folders: list[str]
    others: int


def listed(folder: Path) -> Listed:
    """The pictures in the class folders of a folder, or those in the folder itself.

    Class folders are numbered in the order of the lines of a `classes.txt` beside them, or in
    sorted order. Lines say what is left out. Raises InputError if there are no pictures, or too
    many.
    """
    top = _entries(folder)
    inside = {name: _entries(folder / name) for name in top.folders}
    if any(entries.pictures for entries in inside.values()):
        _say_left_out(folder, top, inside)
        found = _in_classes(inside, _classes(folder, inside))
    elif top.pictures:
        found = Listed(top.pictures)
    else:
        raise InputError(_nothing(folder, top, inside))
    if len(found.names) > MOST:
        raise InputError(f"there are {len(found.names):,} pictures, more than {MOST:,}")
    return found


def _entries(folder: Path) -> _Entries:
    try:
        found = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder.name}: {error.strerror}") from error
    folders = [name for name in found if os.path.isdir(folder / name)]
    pictures = [name for name in found if name.lower().endswith(ENDINGS)]
    pictures = sorted(set(pictures).difference(folders))
    return _Entries(pictures, folders, len(found) - len(folders) - len(pictures))


def _in_classes(inside: dict[str, _Entries], classes: tuple[str, ...]) -> Listed:
    names, labels = [], []
    for label, name in enumerate(classes):
        pictures = inside[name].pictures if name in inside else []
        names += [f"{name}/{picture}" for picture in pictures]
        labels += [label] * len(pictures)
    return Listed(names, np.array(labels), classes)


def _classes(folder: Path, inside: dict[str, _Entries]) -> tuple[str, ...]:
    """The names of the classes, in their order."""
    path = folder / CLASSES
    if not os.path.lexists(path):
        return _sorted_classes(folder, inside)
    try:
        text = regular_file.read(path, LARGEST_CLASSES).decode("utf-8-sig", "replace")
    except ValueError as error:
        raise InputError(f"{CLASSES}: {error}") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) > len(set(names)):
        raise InputError(f"{CLASSES} has a name twice")
    absent = set(inside).difference(names)
    if absent := sorted(name for name in absent if inside[name].pictures):
        raise InputError(f"{CLASSES} has no line for {some(absent)}")
    return tuple(names)


def _sorted_classes(folder: Path, inside: dict[str, _Entries]) -> tuple[str, ...]:
    """All folders count, as in Keras; a line says so if their numbers are in another order."""
    names = sorted(inside)
    if all(name.isdecimal() for name in names) and names != sorted(names, key=int):
        order = f"the class folders count in the order of text: {some(names, 4)}"
        say(f"{folder}: {order}; a {CLASSES} beside them can give another order")
    return tuple(names)


def _say_left_out(folder: Path, top: _Entries, inside: dict[str, _Entries]) -> None:
    """Lines about what is not in a class folder, and about class folders without pictures."""
    if top.pictures:
        say(f"{folder}: pictures beside the class folders are left out: {some(top.pictures)}")
    if deeper := [f"{name}/{inner}" for name in inside for inner in inside[name].folders]:
        say(f"{folder}: folders inside the class folders are left out: {some(deeper)}")
    if empty := [name for name in inside if not inside[name].pictures]:
        say(f"{folder}: class folders without pictures: {some(empty)}")


def _nothing(folder: Path, top: _Entries, inside: dict[str, _Entries]) -> str:
    """What to say if neither the folder nor those in it have pictures."""
    deeper = [
        str(folder / name)
        for name, entries in inside.items()
        if any(_entries(folder / name / inner).pictures for inner in entries.folders)
    ]
    if deeper:
        return f"its pictures lie deeper: give {some(deeper)}"
    others = top.others + sum(entries.others for entries in inside.values())
    return f"there are no pictures ({', '.join(ENDINGS)}); other files: {others}"
