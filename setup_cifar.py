"""CIFAR-10: 50,000 training and 10,000 test images in binary batches, downloaded when absent.

`python3 setup_cifar.py` fetches and checks them beforehand.
"""

import argparse
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from lipschitz.architecture import Family
from lipschitz.dataset import (
    DATA_FOLDER_VARIABLE,
    DataSet,
    Images,
    data_folder,
    one_hot,
    pixels_to_box,
    validation_apart,
)
from lipschitz.download import DownloadError, download
from lipschitz.errors import InputError, run
from lipschitz.networks import NUM_LABELS

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
MIRRORS = (
    f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
    f"https://web.archive.org/web/2023id_/https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
)
FOLDER = "cifar-10-batches-bin"  # in the archive too
TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_BATCHES = ("test_batch.bin",)
BATCHES = TRAIN_BATCHES + TEST_BATCHES
CHECKSUMS = "SHA256SUMS"  # written when the archive, whose hash is published, is unpacked

IMAGE_SIZE, NUM_CHANNELS = 32, 3
IMAGES_PER_BATCH = 10000
RECORD = 1 + NUM_CHANNELS * IMAGE_SIZE**2  # a label, then the red, green and blue plane

FAMILY = Family("cifar", IMAGE_SIZE, NUM_CHANNELS, filters=(64, 128), units=256)


def load() -> DataSet:
    """CIFAR-10; the first 5,000 training images are the validation set."""
    return DataSet(
        read_train=lambda: validation_apart(_images(TRAIN_BATCHES)),
        read_test=lambda: _images(TEST_BATCHES),
    )


def folder() -> Path:
    """Where the batches lie."""
    return data_folder(".") / FOLDER


def _images(batches: tuple[str, ...]) -> Images:
    records = np.concatenate([read(batch) for batch in batches])
    labels, planes = records[:, 0], records[:, 1:]
    pixels = planes.reshape(-1, NUM_CHANNELS, IMAGE_SIZE, IMAGE_SIZE).transpose(0, 2, 3, 1)
    return pixels_to_box(pixels), one_hot(labels, NUM_LABELS)


def read(batch: str) -> np.ndarray:
    """The records (10000, 3073) of a batch; the archive is downloaded when no batch is there."""
    if not folder().exists():
        _download()
    path = folder() / batch
    if not path.exists():
        raise InputError(f"{path} is missing: place it there, or remove {folder()} to download all")
    size = IMAGES_PER_BATCH * RECORD
    if path.stat().st_size != size:
        raise InputError(f"{path} has {path.stat().st_size} B, CIFAR-10's {size} B; remove it")
    content = path.read_bytes()
    checksums = folder() / CHECKSUMS
    if not checksums.exists() or _checksum(batch, content) not in checksums.read_text():
        print(f"{path}: not known to be the published content", file=sys.stderr)
    records = np.frombuffer(content, np.uint8).reshape(IMAGES_PER_BATCH, RECORD)
    if records[:, 0].max() >= NUM_LABELS:
        raise InputError(f"{path} holds labels above {NUM_LABELS - 1}: it is no CIFAR-10 batch")
    return records


def _checksum(batch: str, content: bytes) -> str:
    """A line for `sha256sum --check`."""
    return f"{hashlib.sha256(content).hexdigest()}  {batch}\n"


def _download() -> None:
    """Fetch the archive, check it, and put the folder of batches in its place, whole."""
    parent = folder().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cifar-") as scratch:
        archive, unpacked = Path(scratch, ARCHIVE), Path(scratch, FOLDER)
        try:
            download(list(MIRRORS), archive, _check)
        except DownloadError as error:
            raise InputError(
                f"CIFAR-10 could not be downloaded ({error}). Place {', '.join(BATCHES)} in "
                f"{folder().resolve()} (or in {FOLDER} in the folder that {DATA_FOLDER_VARIABLE} "
                "names)"
            ) from error
        unpacked.mkdir()
        with tarfile.open(archive) as members, (unpacked / CHECKSUMS).open("w") as checksums:
            for batch in BATCHES:
                content = members.extractfile(f"{FOLDER}/{batch}").read()
                (unpacked / batch).write_bytes(content)
                checksums.write(_checksum(batch, content))
        unpacked.rename(folder())


def _check(archive: Path) -> None:
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != ARCHIVE_SHA256:
            raise ValueError("its SHA-256 is not the published archive's")


def main() -> None:
    """Fetch what is absent and check what is there."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for batch in BATCHES:
        print(f"{folder() / batch}: {len(read(batch))} images")


if __name__ == "__main__":
    run(main)
