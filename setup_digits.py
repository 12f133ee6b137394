"""UCI digits: 1,797 real 8x8 images, enlarged to 28x28 so that they fit MNIST's networks.

Prints how many training, validation and test images there are. Reads uci_digits/digits.npz, which
is part of the toolkit (uci_digits/README.md gives its source and licence); writes nothing.
"""

from pathlib import Path

import numpy as np
import scipy

from lipschitz.builtin.architectures import NUM_LABELS
from lipschitz.builtin.model_names import Family
from lipschitz.data.dataset import DataSet, Images, one_hot
from lipschitz.support.command import run
from lipschitz.support.options import Parser

FILE = Path(__file__).with_name("uci_digits") / "digits.npz"
LARGEST_VALUE = 16
IMAGE_SIZE, NUM_CHANNELS = 28, 1

# Of every seven images the first is a test image and the fourth a validation image. The images are
# sorted by their 13 writers, so each writer is in all three parts.
CYCLE, TEST, VALIDATION = 7, 0, 3

FAMILY = Family("digits", IMAGE_SIZE, NUM_CHANNELS, sizes=(32, 32, 64, 64, 200, 200))


def load() -> DataSet:
    """The digits: 1,283 training, 257 validation and 257 test images."""
    training = [place for place in range(CYCLE) if place not in (TEST, VALIDATION)]
    return DataSet(
        read_train=lambda: (_read(training), _read([VALIDATION])),
        read_test=lambda: _read([TEST]),
    )


def _read(places: list[int]) -> Images:
    """The images at these places of each cycle."""
    with np.load(FILE) as file:
        images, labels = file["images"], file["labels"]
    chosen = np.isin(np.arange(len(images)) % CYCLE, places)
    small = images[chosen].astype(np.float32) / LARGEST_VALUE
    scale = IMAGE_SIZE / small.shape[1]
    large = scipy.ndimage.zoom(small, (1, scale, scale), order=1, mode="nearest", grid_mode=True)
    return large[..., None] - np.float32(0.5), one_hot(labels[chosen], NUM_LABELS)


def main() -> None:
    """Print how many images there are."""
    Parser(__doc__).parse_args()
    data = load()
    print(
        f"{FILE}: {len(data.train_data)} training, {len(data.validation_data)} validation and "
        f"{len(data.test_data)} test images"
    )


if __name__ == "__main__":
    run(main)
