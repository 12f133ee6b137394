"""Photographs in a folder, CLASS.NUMBER.jpg, as a data set that decodes them on demand.

CLASS is 1 to 1000, or 0 for the background, as in networks of 1001 classes. Networks of 1000
classes have no background, and their labels are CLASS - 1.
"""

import os
import random
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipschitz.data import picture_file
from lipschitz.data.background import first_class
from lipschitz.data.dataset import one_hot, pixels_to_box
from lipschitz.data.on_demand import ImagesOnDemand
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

FOLDER = Path("../imagenetdata/imgs")
FOLDER_VARIABLE = "CLEVER_IMAGENET"  # names another folder
LARGEST_NUMBER = 1000  # files that are looked at
FORMATS = ("JPEG", "PNG")
GREY_OR_RGB = ("L", "RGB")
NAME = re.compile(r"(\d{1,4})\.\d+\.\w+", re.ASCII)


class Pixels(ImagesOnDemand):
    """Images by index (size, size, 3) or slice (n, size, size, 3), float32 in [-0.5, 0.5]."""

    def __init__(self, paths: list[Path], size: int) -> None:
        super().__init__(
            len(paths), (size, size, 3), lambda number: decode(self.paths[number], size)
        )
        self.paths = paths


@dataclass(frozen=True)
class Photographs:
    """A data set (see `dataset.DataSet`) with test images alone."""

    test_data: Pixels
    test_labels: np.ndarray  # (N, labels), one-hot


def folder() -> Path:
    """The folder of photographs: $CLEVER_IMAGENET, or `FOLDER`."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)


def load(
    folder: Path,
    size: int,
    num_labels: int,
    generator: random.Random,
    most: int = LARGEST_NUMBER,
) -> Photographs:
    """The first `most` files of the folder, sorted and then shuffled by the generator.

    Before images are numbered, those that are neither grey nor RGB are dropped, and files that
    are not photographs of a class are skipped with a line.
    """
    if not os.path.isdir(folder):  # Path.is_dir raises if a name is too long
        raise InputError(
            f"{folder} not found: place photographs named CLASS.NUMBER.jpg there (python3 "
            "setup_photographs.py PICTURES does, with the validation set), or name their folder in "
            f"{FOLDER_VARIABLE}"
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    generator.shuffle(files)
    paths, labels, skipped = _accepted(files[:most], size, num_labels)
    if not paths:
        raise InputError(
            f"{folder} has no readable photograph named CLASS.NUMBER.jpg"
            + (f": {skipped[0]}" if skipped else "")
        )
    if skipped:
        said = f"{folder}: {len(skipped)} files skipped, first {skipped[0]}"
        print(printable(said), file=sys.stderr)
    return Photographs(Pixels(paths, size), one_hot(np.array(labels), num_labels))


def _accepted(
    files: list[Path], size: int, num_labels: int
) -> tuple[list[Path], list[int], list[str]]:
    """Grey and RGB images, their labels, and the files that are skipped, with the reasons."""
    paths, labels, skipped = [], [], []
    for path in files:
        try:
            label = _label(path.name, num_labels)
            if _mode(path, size) in GREY_OR_RGB:
                paths.append(path)
                labels.append(label)
        except ValueError as error:
            skipped.append(f"{path.name} ({error})")
    return paths, labels, skipped


def decode(path: Path, size: int) -> np.ndarray:
    """The central square (size, size, 3) of an image whose shorter side is resized to `size`."""
    try:
        with picture_file.opened(path, FORMATS) as image:
            return pixels_to_box(np.asarray(picture_file.centre(image.convert("RGB"), size, size)))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _label(name: str, num_labels: int) -> int:
    """The label for the class in a file's name. Raises ValueError if there is none."""
    found = NAME.fullmatch(name)
    if not found:
        raise ValueError("its name is not CLASS.NUMBER.jpg")
    label = int(found[1]) - first_class(num_labels)
    if not 0 <= label < num_labels:
        raise ValueError(f"the network has no class {found[1]}")
    return label


def _mode(path: Path, size: int) -> str:
    """Pillow's mode in an image's header. Raises ValueError if the image cannot be used."""
    with picture_file.opened(path, FORMATS) as image:
        picture_file.covering(*image.size, size, size)
        return image.mode
