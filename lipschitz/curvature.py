"""Curvature of a margin: the smallest Hessian eigenvalues of a batch, from Hessian products."""

import functools
from collections.abc import Callable

import numpy as np

from lipschitz import derivative_rules, linear_part
from lipschitz.gradients import Predict
from lipschitz.lanczos import MOST_PRODUCTS, Products, smallest_eigenvalues
from lipschitz.streams import go_on, of_slices
from lipschitz.tensorflow import tf

COLUMNS = 4
SLICE = 128  # samples whose Lanczos bases are held at once
LARGEST_BASIS = 2**27  # values of these bases, whatever the size of the images


def hessian_extremes(predict: Predict) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Compile the function (batch (B, H, W, C), margin weights (T, K)) -> extremes (T, 4).

    For each target's margin g: of the samples' smallest Hessian eigenvalues the one largest in
    magnitude (signed), how many samples reached the cap on Lanczos iterations, how many
    Hessian-vector products all took, and how many samples are left out, since a logit or the
    Hessian is not finite: where that is B, the eigenvalue is 0.
    """
    hessian = functools.cache(functools.partial(_hessian, predict))

    @tf.function(autograph=False)
    def finite_logits(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(predict(x)), axis=1)

    def target_extremes(batch: np.ndarray, weights: np.ndarray) -> np.ndarray:
        at = hessian(batch.shape[1:])

        def slice_extremes(x: np.ndarray) -> list[float]:
            products = _products(at, x, weights)
            found = smallest_eigenvalues(products, _start(len(x), x[0].size))
            valid = np.isfinite(found.eigenvalues) & finite_logits(tf.constant(x)).numpy()
            eigenvalues = np.where(valid, found.eigenvalues, 0)
            largest = eigenvalues[np.abs(eigenvalues).argmax()]
            return [largest, found.capped.sum(), found.products.sum(), (~valid).sum()]

        largest_slice = LARGEST_BASIS // (MOST_PRODUCTS + 1) // batch[0].size
        size = max(2, min(SLICE, largest_slice // 2 * 2))
        return functools.reduce(merge, of_slices(slice_extremes, batch, size))

    def batch_extremes(batch: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.array([target_extremes(batch, row) for row in weights])

    return batch_extremes


def _hessian(predict: Predict, shape: tuple[int, ...]) -> Callable:
    """Compile (x, weights) -> (v -> H v), each of shape (B, *shape)."""

    def product(x: tf.Tensor, weights: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """H_b v_b: the derivative of v . dg/dx, for the Hessian is symmetric."""
        with derivative_rules.second_order():
            logits = predict(x)
        cotangent = tf.broadcast_to(weights, tf.shape(logits))
        (gradient,) = tf.gradients(logits, x, cotangent)
        (along_v,) = tf.gradients(gradient, x, v, unconnected_gradients="zero")
        return along_v

    images = tf.TensorSpec((None, *shape), tf.float32)
    return linear_part.split(product, [images, tf.TensorSpec(None, tf.float32)], images)


def _products(hessian: Callable, x: np.ndarray, weights: np.ndarray) -> Products:
    """Hessian products (active, n) of those images of x (B, H, W, C) that are active."""
    held = np.arange(0)
    multiply = None

    def products(active: np.ndarray, v: np.ndarray) -> np.ndarray:
        nonlocal held, multiply
        go_on()
        # one that is done rides along until half are: to leave it behind costs a pass of the rest
        if multiply is None or 2 * len(active) <= len(held):
            held, multiply = active, hessian(tf.constant(x[active]), tf.constant(weights))
        places = np.searchsorted(held, active)
        along = np.zeros((len(held), v.shape[1]), np.float32)
        along[places] = v
        found = multiply(tf.constant(along.reshape(-1, *x.shape[1:])))
        return found.numpy().reshape(along.shape)[places]

    return products


def merge(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The extremes (..., 4) of two batches together."""
    first, second = np.asarray(first), np.asarray(second)
    larger = np.abs(second[..., :1]) > np.abs(first[..., :1])
    eigenvalue = np.where(larger, second[..., :1], first[..., :1])
    return np.concatenate([eigenvalue, first[..., 1:] + second[..., 1:]], axis=-1)


def _start(count: int, n: int) -> np.ndarray:
    """The same random direction (count, n) for every sample, whatever batch it travels in."""
    direction = np.random.Generator(np.random.SFC64(n)).standard_normal(n, np.float32)
    return np.broadcast_to(direction, (count, n))
