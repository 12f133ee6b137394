"""UCI digits: 1,797 real 8x8 images, enlarged to 28x28 so that MNIST's networks serve.

The images stand in the repository (uci_digits/README.md gives their source and licence).
"""

from pathlib import Path

import numpy as np
import scipy

from lipschitz.builtin.architectures import NUM_LABELS
from lipschitz.builtin.names import Family
from lipschitz.data.dataset import DataSet, Images, one_hot

FILE = Path(__file__).with_name("uci_digits") / "digits.npz"
LARGEST_VALUE = 16
IMAGE_SIZE, NUM_CHANNELS = 28, 1

# Of seven images in a row the first is a test image and the fourth a validation image: a fixed
# split in which each of the 13 writers, who stand one after the other, has a share.
CYCLE, TEST, VALIDATION = 7, 0, 3

FAMILY = Family("digits", IMAGE_SIZE, NUM_CHANNELS, filters=(32, 64), units=200)


def load() -> DataSet:
    """The digits: 1,283 training, 257 validation and 257 test images."""
    training = [place for place in range(CYCLE) if place not in (TEST, VALIDATION)]
    return DataSet(
        read_train=lambda: (_read(training), _read([VALIDATION])),
        read_test=lambda: _read([TEST]),
    )


def _read(places: list[int]) -> Images:
    """The images that stand at these places of each cycle."""
    with np.load(FILE) as file:
        images, labels = file["images"], file["labels"]
    chosen = np.isin(np.arange(len(images)) % CYCLE, places)
    small = images[chosen].astype(np.float32) / LARGEST_VALUE
    scale = IMAGE_SIZE / small.shape[1]
    large = scipy.ndimage.zoom(small, (1, scale, scale), order=1, mode="nearest", grid_mode=True)
    return large[..., None] - np.float32(0.5), one_hot(labels[chosen], NUM_LABELS)
