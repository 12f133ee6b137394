"""Gradient norms of a batch for many targets: one forward pass, one backward pass a target."""

from collections.abc import Callable

import numpy as np

from lipschitz.tensorflow import tf

# A rerun is the same to the bit. Not set for training, whose input it would make slow.
tf.config.experimental.enable_op_determinism()

Predict = Callable[[tf.Tensor], tf.Tensor]

SLICE = 512  # samples a call: activations stay small, and the choice changes no sample


def margin_weights(num_labels: int, true_label: int, targets: list[int]) -> np.ndarray:
    """Rows w (targets, num_labels) with w . f(x) = f_true(x) - f_target(x), the margin g(x)."""
    identity = np.eye(num_labels, dtype=np.float32)
    return identity[true_label] - identity[targets]


def gradient_maxima(predict: Predict) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Compile the function (batch (B, H, W, C), margin weights (T, K)) -> maxima (T, 3).

    It gives, for each target's margin g, the largest L2, L1 and L-infinity norm of dg/dx over
    the batch: infinity where a gradient of the batch is not finite.
    """

    @tf.function
    def slice_maxima(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            logits = predict(x)
        maxima = []
        for target in range(weights.shape[0]):
            cotangent = tf.broadcast_to(weights[target], tf.shape(logits))
            gradient = tape.gradient(logits, x, output_gradients=cotangent)
            norms = _norms(tf.reshape(gradient, (tf.shape(x)[0], -1)))
            finite = tf.where(tf.math.is_finite(norms), norms, np.inf)
            maxima.append(tf.reduce_max(finite, axis=0))
        return tf.stack(maxima)

    def batch_maxima(batch: np.ndarray, weights: np.ndarray) -> np.ndarray:
        slices = (batch[first : first + SLICE] for first in range(0, len(batch), SLICE))
        return np.max([slice_maxima(tf.constant(x), tf.constant(weights)) for x in slices], axis=0)

    return batch_maxima


def _norms(gradient: tf.Tensor) -> tf.Tensor:
    """L2, L1 and L-infinity norms (B, 3) of gradients (B, n)."""
    size = tf.abs(gradient)
    return tf.stack(
        [
            tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=1)),
            tf.reduce_sum(size, axis=1),
            tf.reduce_max(size, axis=1),
        ],
        axis=1,
    )


def logits(predict: Predict, images: np.ndarray) -> np.ndarray:
    """Logits (N, K) of images (N, H, W, C)."""
    slices = (images[first : first + SLICE] for first in range(0, len(images), SLICE))
    return np.concatenate([predict(tf.constant(x)).numpy() for x in slices])
