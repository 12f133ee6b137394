"""Files in models/ that are nearly those of a name: what there is, and what makes it usable."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from lipschitz.support import regular_file
from lipschitz.support.text import printable
from lipschitz.tf_backend.readers import hdf5, keras_file

HDF5, ZIP = b"\x89HDF", b"PK"  # signatures
SAVED_MODEL = "saved_model.pb"  # the file that makes a folder one
MOST_FILES = 10_000  # of a folder that are looked at
MOST_SHOWN = 3


def near(wanted: Path) -> str:
    """What is there in place of the file `wanted`, without an ending; empty if there is nothing."""
    return ", ".join(_told(path, wanted) for path in _near_files(wanted)[:MOST_SHOWN])


def readable(wanted: Path) -> Path | None:
    """What is there in place of the file `wanted` and can be read as it is, with its own layers."""
    return next((path for path in _near_files(wanted) if _is_readable(path)), None)


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as one of HDF5 does."""
    try:
        return _signature(path) == HDF5
    except ValueError:
        return False


def misnamed(path: Path) -> str:
    """What to do with a file whose ending is that of the other format; empty if it is not."""
    try:
        signature, is_keras = _signature(path), path.suffix == keras_file.EXTENSION
    except ValueError:
        return ""
    if signature == HDF5 and is_keras:
        return f"it is an HDF5 file: {_move(path, path.with_suffix(''))}"
    if signature == ZIP and not is_keras:
        return f"it looks like a .keras file: {_move(path, _keras(path))}"
    return ""


def _near_files(wanted: Path) -> list[Path]:
    return sorted(path for path in _files(wanted.parent) if _is_near(path.name, wanted.name))


def _is_readable(path: Path) -> bool:
    if path.is_dir():
        return (path / SAVED_MODEL).is_file()
    return ".weights" not in path.suffixes and (
        is_hdf5(path) or path.suffix == keras_file.EXTENSION
    )


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for _, entry in zip(range(MOST_FILES), entries, strict=False):
            yield folder / entry.name


def _is_near(name: str, wanted: str) -> bool:
    """Whether a name has another ending, other capitals, or other marks between its words."""
    stem = re.sub(r"\.(weights|keras)$", "", name.rpartition(".")[0])
    return _plain(wanted) in (_plain(name), _plain(stem))


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).casefold()


def _told(path: Path, wanted: Path) -> str:
    shown, keras = printable(str(path)), _keras(wanted)
    save = f'save the model with model.save("{keras}") where it was made'
    if path.is_dir():
        kind = " (a SavedModel)" if (path / SAVED_MODEL).is_file() else ""
        return f"{shown} is a folder{kind}, which holds no layers that can be read: {save}"
    if ".weights" in path.suffixes:
        return f"{shown} holds weights alone: {save}"
    try:
        signature = _signature(path)
    except ValueError as error:
        return f"{shown} cannot be read ({error})"
    if signature == HDF5:
        return f"{shown} is there: {_move(path, wanted)}"
    if signature == ZIP:
        return f"{shown} is there: {_move(path, keras)}"
    return f"{shown} is neither a .keras nor an HDF5 file: {save}"


def _keras(path: Path) -> Path:
    return path.with_name(path.name + keras_file.EXTENSION)


def _move(path: Path, to: Path) -> str:
    asking = " -i" if to.exists() else ""
    return printable(f'"mv{asking} {shlex.quote(str(path))} {shlex.quote(str(to))}"')


def _signature(path: Path) -> bytes:
    """The first bytes, if they are a signature. Raises ValueError if the file cannot be read."""
    with regular_file.opened(path, hdf5.LARGEST) as file:
        start = file.read(len(HDF5))
    return next((each for each in (HDF5, ZIP) if start.startswith(each)), b"")
