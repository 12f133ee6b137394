"""Curvature of a margin: the smallest Hessian eigenvalues of a batch, from Hessian products."""

from collections.abc import Callable

import numpy as np

from lipschitz.gradients import Predict
from lipschitz.lanczos import MOST_PRODUCTS, smallest_eigenvalues
from lipschitz.tensorflow import tf

SLICE = 128  # samples whose Lanczos bases are held at once
LARGEST_BASIS = 2**28  # values of these bases, whatever the size of the images


def hessian_extremes(predict: Predict) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Compile the function (batch (B, H, W, C), margin weights (T, K)) -> extremes (T, 3).

    For each target's margin g: of the samples' smallest Hessian eigenvalues the one largest in
    magnitude (signed; infinite where g has no finite Hessian), how many samples reached the cap
    on Lanczos iterations, and how many Hessian-vector products all took.
    """

    @tf.function(reduce_retracing=True)
    def hessian_products(x: tf.Tensor, v: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """H_b v_b (B, H, W, C): the derivative of v . dg/dx, for the Hessian is symmetric."""
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                logits = predict(x)
            cotangent = tf.broadcast_to(weights, tf.shape(logits))
            gradient = inner.gradient(logits, x, output_gradients=cotangent)
        return outer.gradient(
            gradient, x, output_gradients=v, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    def slice_extremes(x: np.ndarray, weights: np.ndarray) -> list[float]:
        def products(active: np.ndarray, v: np.ndarray) -> np.ndarray:
            found = hessian_products(
                tf.constant(x[active]),
                tf.constant(v.reshape(-1, *x.shape[1:])),
                tf.constant(weights),
            )
            return found.numpy().reshape(v.shape)

        found = smallest_eigenvalues(products, _start(len(x), x[0].size))
        largest = np.abs(found.eigenvalues).argmax()
        return [found.eigenvalues[largest], found.capped.sum(), found.products.sum()]

    def batch_extremes(batch: np.ndarray, weights: np.ndarray) -> np.ndarray:
        extremes = np.zeros((len(weights), 3))
        size = max(1, min(SLICE, LARGEST_BASIS // (MOST_PRODUCTS + 1) // batch[0].size))
        for target, row in enumerate(weights):
            for first in range(0, len(batch), size):
                found = slice_extremes(batch[first : first + size], row)
                extremes[target] = merge(extremes[target], found)
        return extremes

    return batch_extremes


def merge(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The extremes (..., 3) of two batches together."""
    first, second = np.asarray(first), np.asarray(second)
    larger = np.abs(second[..., :1]) > np.abs(first[..., :1])
    eigenvalue = np.where(larger, second[..., :1], first[..., :1])
    return np.concatenate([eigenvalue, first[..., 1:] + second[..., 1:]], axis=-1)


def _start(count: int, n: int) -> np.ndarray:
    """The same random direction (count, n) for every sample, whatever batch it travels in."""
    direction = np.random.Generator(np.random.SFC64(n)).standard_normal(n, np.float32)
    return np.broadcast_to(direction, (count, n))
