"""Images and labels in NumPy's files, .npz and .npy: no pickles, no absurd sizes."""

import io
import math
import os
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from lipschitz.data.array_images import ArrayImages, of_arrays
from lipschitz.data.fitting import by
from lipschitz.data.words import some
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError

LARGEST = 2**34  # bytes of a file, or of an array
LARGEST_HEADER = 2**14  # bytes of an array
LARGEST_RATIO = 100  # of an array to its bytes in the archive, unless it is small:
SMALL = 2**30  # bytes
MOST_ARRAYS = 1000
ARRAYS_SHOWN = 8
ENDING = ".npy"

USUAL_NAMES = (  # of images and labels; the first pair that is there is taken
    ("x_test", "y_test"),
    ("X_test", "y_test"),
    ("test_images", "test_labels"),
    ("x_train", "y_train"),
    ("X_train", "y_train"),
    ("train_images", "train_labels"),
    ("x", "y"),
    ("X", "y"),
    ("images", "labels"),
    ("data", "labels"),
    ("data", "target"),
    ("data", "targets"),
    ("arr_0", "arr_1"),
)


class NamesError(InputError):
    """The arrays of images and labels have to be named, or are not there."""


class _Header(NamedTuple):
    """What an array declares, and its bytes."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    start: int  # of its values
    size: int  # with the header

    def check(self) -> None:
        """Raise InputError if the array needs pickles, ValueError if its size is another."""
        if self.dtype.hasobject:
            raise InputError("the array holds Python objects, which are not read: save numbers")
        declared = math.prod(self.shape) * self.dtype.itemsize
        is_possible = min(self.shape, default=0) >= 0 and self.dtype.itemsize > 0
        if not is_possible or self.start + declared != self.size:
            raise ValueError(f"an array of {self.size} B declares {self}")

    def __str__(self) -> str:
        return f"{self.dtype.name} {by(self.shape)}"


def load_npz(path: Path, names: tuple[str, str] | None = None) -> ArrayImages:
    """The arrays of these names, images and labels, or of usual names.

    An empty name of labels: there are none. A file of a single array has images alone. Raises
    NamesError if there are no such arrays; ValueError, or what else zipfile and NumPy raise, if the
    file is damaged.
    """
    with regular_file.opened(path, LARGEST) as file, zipfile.ZipFile(file) as archive:
        headers = _headers(archive, os.fstat(file.fileno()).st_size)
        images, labels = names or _usual_names(headers)
        for name in filter(None, (images, labels)):
            if name not in headers:
                raise NamesError(f"there is no array {name}; {_listed(headers)}")
            headers[name].check()
        found = _array(archive, images)
        return of_arrays(found, _array(archive, labels) if labels else None)


def load_npy(path: Path) -> ArrayImages:
    """The images in the file, without labels; they stay on disk until they are used.

    Raises InputError if it holds no images; ValueError, or what else NumPy raises, if it is
    damaged.
    """
    with regular_file.opened(path, LARGEST) as file:
        header = _header(file, os.fstat(file.fileno()).st_size)
        header.check()
        if not math.prod(header.shape):  # which cannot be mapped
            return of_arrays(np.empty(header.shape, header.dtype))
        order = "F" if header.fortran_order else "C"
        mapped = np.memmap(file, header.dtype, "r", header.start, header.shape, order)
    return of_arrays(mapped.view(np.ndarray))


def _headers(archive: zipfile.ZipFile, size: int) -> dict[str, _Header]:
    """The headers of all arrays in an archive of `size` bytes, by name."""
    members = [member for member in archive.infolist() if member.filename.endswith(ENDING)]
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"it has {len(members)} arrays, more than {MOST_ARRAYS}")
    headers = {}
    for member in members:
        name = member.filename.removesuffix(ENDING)
        if name in headers:
            raise ValueError(f"it has two arrays {name}")
        _check_ratio(member, size)
        with archive.open(member) as file:
            headers[name] = _header(file, member.file_size)
    return headers


def _check_ratio(member: zipfile.ZipInfo, size: int) -> None:
    """Raise ValueError if an array in an archive of `size` bytes unpacks to an absurd size."""
    packed, unpacked = min(member.compress_size, size), member.file_size
    if unpacked > LARGEST or unpacked > max(SMALL, LARGEST_RATIO * packed):
        raise ValueError(f"its {member.filename} unpacks from {packed} B to {unpacked} B")


def _header(file: BinaryIO, size: int) -> _Header:
    """The header of an array, which has `size` bytes with it."""
    start = io.BytesIO(file.read(LARGEST_HEADER))
    version = npy.read_magic(start)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return _Header(*read(start), start.tell(), size)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name + ENDING) as file:
        return npy.read_array(file, allow_pickle=False)


def _usual_names(headers: dict[str, _Header]) -> tuple[str, str]:
    for images, labels in USUAL_NAMES:
        if images in headers and labels in headers:
            return images, labels
    if len(headers) == 1:
        return next(iter(headers)), ""
    raise NamesError(f"name the arrays of images and labels: {_listed(headers)}")


def _listed(headers: dict[str, _Header]) -> str:
    """What arrays there are."""
    arrays = [f"{name} ({header})" for name, header in headers.items()]
    return f"it has {some(arrays, ARRAYS_SHOWN) or 'none'}"
