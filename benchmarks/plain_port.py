"""What the toolkit is measured against: the published methods, ported to TensorFlow 2 as they are.

One target at a time, samples drawn in the process that computes, one graph call a batch. The power
iteration multiplies the whole batch until its last sample is done.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.plain_draw import draw
from lipschitz.settings import SEED
from lipschitz.tf_backend.runtime import tf


def gradient_maxima(
    predict: Callable, x_0: np.ndarray, true: int, target: int, batch: int
) -> Callable[[], np.ndarray]:
    """A function that makes one iteration: the largest L1, L2, Linf norm of dg/dx in a batch."""
    generator = np.random.RandomState(SEED)

    @tf.function
    def norms(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = predict(x)
            margin = logits[:, true] - logits[:, target]
        flat = tf.reshape(tape.gradient(margin, x), (tf.shape(x)[0], -1))
        return tf.stack([tf.norm(flat, ord=p, axis=1) for p in (1, 2, np.inf)])

    def iteration() -> np.ndarray:
        return norms(tf.constant(draw(generator, x_0, batch))).numpy().max(axis=1)

    return iteration


def smallest_eigenvalues(
    predict: Callable, true: int, target: int, accuracy: float, most: int
) -> Callable[[np.ndarray], tuple[np.ndarray, int]]:
    """A function (images) -> the smallest Hessian eigenvalue of each, and the products it took.

    Power iterations find the eigenvalue largest in magnitude; a second run, on the Hessian less
    that eigenvalue, the smallest. Each runs until every sample's residual is below `accuracy`
    times its eigenvalue, or `most` times.
    """

    @tf.function
    def products(x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                logits = predict(x)
                margin = logits[:, true] - logits[:, target]
            gradient = inner.gradient(margin, x)
        return outer.gradient(gradient, x, output_gradients=v)

    def iterate(x: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, int]:
        v = np.random.RandomState(SEED).normal(size=x.shape).astype(np.float32)
        over_images = tuple(range(1, x.ndim))
        per_image = (slice(None),) + (None,) * (x.ndim - 1)
        spent = 0
        while spent < most * len(x):
            v /= np.sqrt(np.sum(v**2, axis=over_images))[per_image]
            w = products(tf.constant(x), tf.constant(v)).numpy() - shift[per_image] * v
            eigenvalue = np.sum(v * w, axis=over_images)
            spent += len(x)
            residual = np.sqrt(np.sum((w - eigenvalue[per_image] * v) ** 2, axis=over_images))
            v = w
            if (residual < accuracy * np.abs(eigenvalue + shift)).all():
                break
        return eigenvalue + shift, spent

    def smallest(x: np.ndarray) -> tuple[np.ndarray, int]:
        largest, spent = iterate(x, np.zeros(len(x), np.float32))
        if (largest < 0).all():
            return largest, spent
        shifted, more = iterate(x, largest.astype(np.float32))
        return np.minimum(largest, shifted), spent + more

    return smallest
