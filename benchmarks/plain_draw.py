"""Samples as the published method draws them: by NumPy's legacy generator, in the same process."""

import numpy as np
from scipy.special import gammainc

from lipschitz.maths.ball import RADII
from lipschitz.network import Box


def draw(generator: np.random.RandomState, x_0: np.ndarray, count: int) -> np.ndarray:
    """Points (count, H, W, C) uniform in the L2 ball around x_0, and in the box."""
    n = x_0.size
    points = generator.normal(size=(count, n))
    squared = np.sum(points**2, axis=1)
    points *= (gammainc(n / 2, squared / 2) ** (1 / n) / np.sqrt(squared))[:, None]
    points *= generator.uniform(*RADII["l2"], size=(count, 1))
    box = Box()
    samples = np.clip(x_0 + points.reshape(count, *x_0.shape), box.lower, box.upper)
    return samples.astype(np.float32)
