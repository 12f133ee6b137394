"""Gradient norms of a batch for many targets: one forward pass, one backward pass a target."""

import functools
from collections.abc import Callable

import numpy as np

from lipschitz.network import Gradients, Maxima
from lipschitz.support.slices import map_slices
from lipschitz.tf_backend import backward, derivative_rules
from lipschitz.tf_backend.runtime import STREAMS, gpus, tf

Predict = Callable[[tf.Tensor], tf.Tensor]

SLICE = 1024 if gpus else 256  # samples per call: activations stay small
LARGEST_SLICE = 2**24 // STREAMS  # values of the images per call, whatever their size
TARGETS = 16  # per call: its graph stays small with a thousand classes


def gradient_maxima(
    predict: Predict, slopes: bool = False
) -> Callable[[np.ndarray, np.ndarray], Maxima]:
    """Compile the function (batch (B, *shape), margin weights (T, K)) -> maxima of T targets.

    It gives, for each target's margin g, the largest L2, L1 and L-infinity norm of dg/dx over
    the batch. With `slopes` three more columns follow, the largest slopes of pairs (see `_slopes`;
    Wood and Zhang, 1996). A sample is left out if a logit, its gradient or its slope is not
    finite; if all are left out, the maxima are 0.
    """

    @tf.function(autograph=False)  # nothing here branches on values, and it starts sooner
    def call(x: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with derivative_rules.first_order():
            logits = predict(x)
        valid = tf.reduce_all(tf.math.is_finite(logits), axis=1)
        of_pairs = _slopes(x, tf.matmul(logits, weights, transpose_b=True)) if slopes else None
        maxima = []
        for target in range(weights.shape[0]):
            # one backward pass at a time: memory does not grow with the targets
            with tf.control_dependencies(maxima[-1:]):
                cotangent = tf.broadcast_to(weights[target], tf.shape(logits))
            gradient = backward.gradient(logits, x, cotangent)
            values = _norms(tf.reshape(gradient, (tf.shape(x)[0], -1)))
            if slopes:  # a pair's are those of both its samples
                values = tf.concat([values, tf.repeat(of_pairs[:, target], 2, axis=0)], axis=1)
            maxima.append(_largest(values, valid))
        found = tf.stack(maxima)
        return found[:, :-1], found[:, -1]

    def batch_maxima(batch: np.ndarray, weights: np.ndarray) -> Maxima:
        groups = [weights[first : first + TARGETS] for first in range(0, len(weights), TARGETS)]

        def group_maxima(group: np.ndarray) -> Maxima:
            def slice_maxima(x: np.ndarray) -> Maxima:
                largest, left_out = call(tf.constant(x), tf.constant(group))
                return Maxima(largest.numpy(), left_out.numpy().astype(int))

            return functools.reduce(Maxima.merged, _map_slices(slice_maxima, batch))

        return Maxima(*map(np.concatenate, zip(*map(group_maxima, groups), strict=True)))

    return batch_maxima


def gradients(predict: Predict) -> Callable[[np.ndarray, np.ndarray], Gradients]:
    """Compile the function (x (B, *shape), margin weights (B, K)) -> f(x) and dg/dx (B, *shape)."""

    @tf.function(autograph=False)
    def call(x: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with derivative_rules.first_order():
            logits = predict(x)
        return logits, backward.gradient(logits, x, weights)

    def batch_gradients(x: np.ndarray, weights: np.ndarray) -> Gradients:
        def slice_gradients(places: np.ndarray) -> list[np.ndarray]:
            return [
                each.numpy() for each in call(tf.constant(x[places]), tf.constant(weights[places]))
            ]

        places = np.arange(len(x))
        found = map_slices(slice_gradients, places, _largest_slice(x), STREAMS)
        return Gradients(*map(np.concatenate, zip(*found, strict=True)))

    return batch_gradients


def logits(predict: Predict, images: np.ndarray) -> np.ndarray:
    """Logits (N, K) of images (N, *shape)."""
    return np.concatenate(_map_slices(lambda x: predict(tf.constant(x)).numpy(), images))


def _map_slices(function: Callable, images: np.ndarray) -> list:
    return map_slices(function, images, _largest_slice(images), STREAMS)


def _largest_slice(images: np.ndarray) -> int:
    return max(2, min(SLICE, LARGEST_SLICE // images[0].size // 2 * 2))


def _norms(vectors: tf.Tensor) -> tf.Tensor:
    """L2, L1 and L-infinity norms (B, 3) of vectors (B, n)."""
    size = tf.abs(vectors)
    largest = tf.reduce_max(size, axis=1)
    # squares of the vector itself would vanish below 1e-19, and be infinite above 1e19
    squares = tf.square(tf.math.divide_no_nan(vectors, largest[:, None]))
    l2 = largest * tf.sqrt(tf.reduce_sum(squares, axis=1))
    return tf.stack([l2, tf.reduce_sum(size, axis=1), largest], axis=1)


def _slopes(x: tf.Tensor, margins: tf.Tensor) -> tf.Tensor:
    """The slopes (pairs, T, 3) of margins (B, T) between samples 0 and 1, 2 and 3, ...

    |g(a) - g(b)| / |a - b|; the slope in a norm takes the distance in the dual norm: L2,
    L-infinity and L1 for the columns L2, L1 and L-infinity. Two equal samples have none.
    """
    pairs = tf.shape(x)[0] // 2
    first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    distance = _norms(tf.reshape(x[first] - x[second], (pairs, -1)))
    dual = tf.gather(distance, [0, 2, 1], axis=1)
    rise = tf.abs(margins[first] - margins[second])
    return tf.math.divide_no_nan(rise[:, :, None], dual[:, None, :])


def _largest(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The maxima of values (B, columns) over valid, finite samples, then the count of others."""
    valid &= tf.reduce_all(tf.math.is_finite(values), axis=1)
    maxima = tf.reduce_max(tf.where(valid[:, None], values, 0), axis=0)
    left_out = tf.reduce_sum(tf.cast(~valid, tf.float32))
    return tf.concat([maxima, left_out[None]], axis=0)
