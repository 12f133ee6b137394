"""Hessian-vector products of a margin, for many samples and few vectors each."""

from collections.abc import Callable

import numpy as np

from lipschitz.network import Products
from lipschitz.support.slices import raise_if_cancelled
from lipschitz.tf_backend import backward, derivative_rules, linearize, second_derivatives
from lipschitz.tf_backend.gradients import Predict
from lipschitz.tf_backend.runtime import tf


def compiled(predict: Predict, shape: tuple[int, ...]) -> Callable:
    """Compile (x, weights (K,)) -> (v -> H v), x and v of shape (B, *shape).

    Products of a sample whose logits are not finite are nan.
    """

    def product(x: tf.Tensor, weights: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """H_b v_b: the derivative of v . dg/dx, for the Hessian is symmetric."""
        with derivative_rules.second_order(), second_derivatives.complete():
            logits = predict(x)
        second_derivatives.check_functions(x.graph)
        cotangent = tf.broadcast_to(weights, tf.shape(logits))
        gradient = backward.gradient(logits, x, cotangent)
        along_v = backward.gradient(gradient, x, v, unconnected_gradients="zero")
        finite = tf.reduce_all(tf.math.is_finite(logits), axis=1)
        return tf.where(tf.reshape(finite, (-1,) + (1,) * len(shape)), along_v, np.nan)

    images = tf.TensorSpec((None, *shape), tf.float32)
    return linearize.split(product, [images, tf.TensorSpec(None, tf.float32)], images)


def products(hessian: Callable, x: np.ndarray, weights: np.ndarray) -> Products:
    """Hessian products (active, n) of those images of x (B, *shape) that are active."""
    held = np.arange(0)
    multiply = None

    def multiplied(active: np.ndarray, v: np.ndarray) -> np.ndarray:
        nonlocal held, multiply
        raise_if_cancelled()
        # finished samples stay in until they are half: to leave them out costs a pass of the rest
        if multiply is None or 2 * len(active) <= len(held):
            held, multiply = active, hessian(tf.constant(x[active]), tf.constant(weights))
        places = np.searchsorted(held, active)
        along = np.zeros((len(held), v.shape[1]), np.float32)
        along[places] = v
        found = multiply(tf.constant(along.reshape(-1, *x.shape[1:])))
        return found.numpy().reshape(along.shape)[places]

    return multiplied
