"""CIFAR-10: 50,000 training and 10,000 test images, downloaded if they are missing.

The other commands do this too when they need the images; this one does it ahead of time, checks the
six batches and prints their sizes.

Reads and writes cifar-10-batches-bin/*.bin, here or in the folder that CLEVER_DATA names.
"""

import hashlib
import os
import sys
import tarfile
import tempfile
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

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
LARGEST_ARCHIVE = 2**28  # bytes
MIRRORS = (
    f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
    f"https://web.archive.org/web/2023id_/https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
)
FOLDER = "cifar-10-batches-bin"  # in the archive too
TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_BATCHES = ("test_batch.bin",)
BATCHES = TRAIN_BATCHES + TEST_BATCHES
CHECKSUMS = "SHA256SUMS"  # of the batches in the archive, whose own hash is published
LARGEST_CHECKSUMS = 2**16  # bytes
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

IMAGE_SIZE, NUM_CHANNELS = 32, 3
IMAGES_PER_BATCH = 10000
RECORD = 1 + NUM_CHANNELS * IMAGE_SIZE**2  # bytes: a label, then the red, green and blue plane

FAMILY = Family("cifar", IMAGE_SIZE, NUM_CHANNELS, sizes=(64, 64, 128, 128, 256, 256))


def load() -> DataSet:
    """CIFAR-10; the first 5,000 training images are the validation set."""
    return DataSet(
        read_train=lambda: validation_apart(_images(TRAIN_BATCHES)),
        read_test=lambda: _images(TEST_BATCHES),
    )


# as scripts of 2018 import them
CIFAR = load
CIFARModel = partial(models_of_2018.seven_layer, FAMILY)
TwoLayerCIFARModel = partial(models_of_2018.two_layer, FAMILY)


def folder() -> Path:
    """The folder of the batches."""
    return data_folder(".") / FOLDER


def _images(batches: tuple[str, ...]) -> Images:
    records = np.concatenate([read(batch) for batch in batches])
    labels, planes = records[:, 0], records[:, 1:]
    pixels = planes.reshape(-1, NUM_CHANNELS, IMAGE_SIZE, IMAGE_SIZE).transpose(0, 2, 3, 1)
    return pixels_to_box(pixels), one_hot(labels, NUM_LABELS)


def read(batch: str) -> np.ndarray:
    """The records (10000, 3073) of a batch; the archive is downloaded if the folder is missing."""
    if not os.path.exists(folder()):  # Path.exists raises if a name is too long
        _download()
    path = folder() / batch
    if not os.path.exists(path):
        raise InputError(f"{path} is missing: place it there, or remove {folder()} to download all")
    size = IMAGES_PER_BATCH * RECORD
    try:
        content = regular_file.read(path, size)
    except ValueError as error:
        raise InputError(f"{path} is not a CIFAR-10 batch: {error}; remove it") from error
    if len(content) != size:
        raise InputError(f"{path} has {len(content)} B, CIFAR-10's {size} B; remove it")
    if _checksum(batch, content) not in _known_checksums():
        print(f"{path}: not known to be the published content", file=sys.stderr)
    records = np.frombuffer(content, np.uint8).reshape(IMAGES_PER_BATCH, RECORD)
    if records[:, 0].max() >= NUM_LABELS:
        raise InputError(f"{path} holds labels above {NUM_LABELS - 1}: it is not a CIFAR-10 batch")
    return records


def _checksum(batch: str, content: bytes) -> bytes:
    """A line for `sha256sum --check`."""
    return f"{hashlib.sha256(content).hexdigest()}  {batch}\n".encode()


def _known_checksums() -> bytes:
    """The lines of the batches that were unpacked from the published archive."""
    try:
        return regular_file.read(folder() / CHECKSUMS, LARGEST_CHECKSUMS)
    except ValueError:  # missing, or not ours
        return b""


def _download() -> None:
    """Download the archive, check it, and put the whole folder of batches in its place."""
    parent = folder().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".cifar-") as scratch:
            archive, unpacked = Path(scratch, ARCHIVE), Path(scratch, FOLDER)
            download(list(MIRRORS), archive, _check, LARGEST_ARCHIVE)
            _unpack(archive, unpacked)
            unpacked.rename(folder())
    except (DownloadError, OSError) as error:
        raise InputError(
            f"CIFAR-10 could not be downloaded ({error}). Place {', '.join(BATCHES)} in "
            f"{os.path.abspath(folder())} (or in {FOLDER} in the folder that "
            f"{DATA_FOLDER_VARIABLE} names)"
        ) from error


def _unpack(archive: Path, unpacked: Path) -> None:
    """Put the batches of the published archive, and their checksums, into a new folder."""
    unpacked.mkdir()
    with tarfile.open(archive) as members, (unpacked / CHECKSUMS).open("wb") as checksums:
        for batch in BATCHES:
            content = members.extractfile(f"{FOLDER}/{batch}").read()
            (unpacked / batch).write_bytes(content)
            checksums.write(_checksum(batch, content))


def _check(archive: Path) -> None:
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != ARCHIVE_SHA256:
            raise ValueError("its SHA-256 is not the published archive's")


def main() -> None:
    """Download the batches if they are missing, and check all."""
    Parser(__doc__).parse_args()
    for batch in BATCHES:
        print(f"{folder() / batch}: {len(read(batch))} images")


if __name__ == "__main__":
    run(main)
