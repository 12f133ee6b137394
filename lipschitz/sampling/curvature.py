"""Curvature of margins: the smallest Hessian eigenvalues of a batch, by Lanczos iterations."""

import functools
from typing import NamedTuple

import numpy as np

from lipschitz.maths.lanczos import MOST_PRODUCTS, smallest_eigenvalues
from lipschitz.network import Network
from lipschitz.support.slices import map_slices

SLICE = 128  # samples whose Lanczos bases are held at once
LARGEST_BASIS = 2**27  # values of these bases, whatever the size of the images


class Extremes(NamedTuple):
    """What a batch gives for T targets; arrays are (T,)."""

    eigenvalue: np.ndarray  # the samples' smallest: the one largest in magnitude, signed
    capped: np.ndarray  # samples that reached the cap on Lanczos iterations
    products: np.ndarray  # Hessian-vector products spent
    left_out: np.ndarray  # samples without finite logits or Hessian

    def merged(self, other: "Extremes") -> "Extremes":
        """The extremes of two batches together."""
        larger = np.abs(other.eigenvalue) > np.abs(self.eigenvalue)
        return Extremes(
            np.where(larger, other.eigenvalue, self.eigenvalue),
            self.capped + other.capped,
            self.products + other.products,
            self.left_out + other.left_out,
        )

    def columns(self) -> np.ndarray:
        """(T, 4), the count of samples left out at the end."""
        return np.column_stack(self)


def hessian_extremes(network: Network, batch: np.ndarray, weights: np.ndarray) -> Extremes:
    """The extremes over a batch (B, *input_shape) for margin weights (T, K).

    If all samples of a target are left out, its eigenvalue is 0.
    """
    n = batch[0].size
    largest_slice = LARGEST_BASIS // (MOST_PRODUCTS + 1) // n
    size = max(2, min(SLICE, largest_slice // 2 * 2))

    def target_extremes(row: np.ndarray) -> Extremes:
        def slice_extremes(x: np.ndarray) -> Extremes:
            found = smallest_eigenvalues(network.hessian_products(x, row), _start(len(x), n))
            valid = np.isfinite(found.eigenvalues)
            eigenvalues = np.where(valid, found.eigenvalues, 0)
            largest = eigenvalues[np.abs(eigenvalues).argmax()]
            return Extremes(largest, found.capped.sum(), found.products.sum(), (~valid).sum())

        of_slices = map_slices(slice_extremes, batch, size, network.streams)
        return functools.reduce(Extremes.merged, of_slices)

    return Extremes(*np.array([target_extremes(row) for row in weights]).T)


def _start(count: int, n: int) -> np.ndarray:
    """The same random direction (count, n) for every sample, whatever batch it travels in."""
    direction = np.random.Generator(np.random.SFC64(n)).standard_normal(n, np.float32)
    return np.broadcast_to(direction, (count, n))
