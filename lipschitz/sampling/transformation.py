"""Putting samples through an input transformation: what the network sees in place of them."""

from collections.abc import Callable

import numpy as np

from lipschitz.network import Box

Transformation = Callable[[np.ndarray], np.ndarray]  # of images (H, W, C) in [0, 1]


def transform_all(samples: np.ndarray, transform: Transformation, box: Box) -> None:
    """Put each of samples (B, H, W, C) through the transformation, in place.

    It works on the unit box; what it gives is clipped to the box.
    """
    lower, width, upper = (np.float32(each) for each in (box.lower, box.width, box.upper))
    for sample in samples:
        transformed = transform((sample - lower) / width) * width + lower
        np.clip(transformed, lower, upper, out=sample)
