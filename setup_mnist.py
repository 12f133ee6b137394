"""MNIST: 60,000 training and 10,000 test images, downloaded if they are missing.

The other commands do this too when they need the images; this one does it ahead of time, checks the
four files and prints their shapes.

Reads and writes data/*-ubyte.gz, or such files in the folder that CLEVER_DATA names.
"""

import gzip
import hashlib
import os
import sys
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lipschitz.builtin import models_of_2018
from lipschitz.builtin.architectures import NUM_LABELS
from lipschitz.builtin.model_names import Family
from lipschitz.data.dataset import (
    DATA_FOLDER_VARIABLE,
    DataSet,
    Images,
    data_folder,
    one_hot,
    pixels_to_box,
    validation_apart,
)
from lipschitz.support import regular_file
from lipschitz.support.command import run
from lipschitz.support.download import DownloadError, download
from lipschitz.support.errors import InputError
from lipschitz.support.options import Parser

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
IMAGE_SIZE, NUM_CHANNELS = 28, 1
LARGEST_FILE = 2**26  # bytes: more than all four unpacked


@dataclass(frozen=True)
class IdxFile:
    """A published file: its name, the shape of its array, the SHA-256 of the unpacked file."""

    name: str
    shape: tuple[int, ...]
    sha256: str


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte.gz",
    (60000, 28, 28),
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte.gz",
    (60000,),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte.gz",
    (10000, 28, 28),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte.gz",
    (10000,),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

FAMILY = Family("mnist", IMAGE_SIZE, NUM_CHANNELS, sizes=(32, 32, 64, 64, 200, 200))


def load() -> DataSet:
    """MNIST; the first 5,000 training images are the validation set."""
    return DataSet(
        read_train=lambda: validation_apart(_images(TRAIN_IMAGES, TRAIN_LABELS)),
        read_test=lambda: _images(TEST_IMAGES, TEST_LABELS),
    )


# as scripts of 2018 import them
MNIST = load
MNISTModel = partial(models_of_2018.seven_layer, FAMILY)
TwoLayerMNISTModel = partial(models_of_2018.two_layer, FAMILY)


def _images(images: IdxFile, labels: IdxFile) -> Images:
    classes = read(labels)
    if classes.max() >= NUM_LABELS:
        raise InputError(f"{data_folder() / labels.name} holds labels above {NUM_LABELS - 1}")
    return pixels_to_box(read(images))[..., None], one_hot(classes, NUM_LABELS)


def read(file: IdxFile) -> np.ndarray:
    """The bytes of a file in its published shape; it is downloaded first if it is missing."""
    path = data_folder() / file.name
    if not os.path.exists(path):  # Path.exists raises if a name is too long
        _download(file, path)
    try:
        content = _unpack(path, file)
    except ValueError as error:
        raise InputError(f"{path} is not MNIST's {file.name}: {error}; remove it") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        print(f"{path}: not the published content; scores will not compare", file=sys.stderr)
    return np.frombuffer(content, np.uint8, offset=len(_header(file))).reshape(file.shape)


def _header(file: IdxFile) -> bytes:
    """The start of an idx file: 0, 0, type (8: bytes), number of dimensions, then their sizes."""
    return bytes([0, 0, 8, len(file.shape)]) + np.array(file.shape, ">u4").tobytes()


def _unpack(path: Path, file: IdxFile) -> bytes:
    """The unpacked file. Raises ValueError if its header or size is not the published one."""
    size = len(_header(file)) + int(np.prod(file.shape))
    try:
        with regular_file.opened(path, LARGEST_FILE) as content, gzip.open(content) as packed:
            unpacked = packed.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it cannot be unpacked ({error})") from error
    if not unpacked.startswith(_header(file)):
        raise ValueError(f"its header is not that of {file.shape} bytes in idx format")
    if len(unpacked) != size:
        raise ValueError(
            f"it unpacks to {'more' if len(unpacked) > size else 'less'} than {size} B"
        )
    return unpacked


def _download(file: IdxFile, path: Path) -> None:
    def check(fetched: Path) -> None:
        if hashlib.sha256(_unpack(fetched, file)).hexdigest() != file.sha256:
            raise ValueError("its SHA-256 is not the published file's")

    try:
        download([mirror + file.name for mirror in MIRRORS], path, check, LARGEST_FILE)
    except DownloadError as error:
        names = ", ".join(each.name for each in FILES)
        raise InputError(
            f"{file.name} could not be downloaded ({error}). Place the four files {names} in "
            f"{os.path.abspath(path.parent)} (or in a folder that {DATA_FOLDER_VARIABLE} names)"
        ) from error


def main() -> None:
    """Download the files that are missing, and check all."""
    Parser(__doc__).parse_args()
    for file in FILES:
        print(f"{data_folder() / file.name}: {' x '.join(map(str, read(file).shape))}")


if __name__ == "__main__":
    run(main)
