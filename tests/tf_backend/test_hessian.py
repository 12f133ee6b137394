"""Hessian products of networks of many kinds, against whole Hessians."""

import numpy as np
import pytest

from lipschitz.network import margin_weights
from lipschitz.tf_backend import hessian
from lipschitz.tf_backend.runtime import keras, tf

SHAPE = (3, 3, 1)


def whole_hessians(predict, x, weights):
    """(B, n, n): the products with all axes, of all images at once."""
    n = x[0].size
    multiply = hessian.products(hessian.compiled(predict, x.shape[1:]), x, weights)
    every = np.arange(len(x))
    rows = [multiply(every, np.tile(axis, (len(x), 1))) for axis in np.eye(n, dtype=np.float32)]
    return np.stack(rows, axis=1)


def test_a_quadratic_form_has_its_matrix_for_hessian():
    a = np.random.default_rng(3).normal(size=(6, 6)).astype(np.float32)

    def predict(x):
        flat = tf.reshape(x, (-1, 6))
        return tf.stack([tf.reduce_sum(flat * (flat @ a), axis=1), flat[:, 0]], axis=1)

    (weights,) = margin_weights(2, 0, [1])
    found = whole_hessians(predict, np.zeros((2, 2, 3, 1), np.float32), weights)
    np.testing.assert_allclose(found, [a + a.T] * 2, rtol=1e-5)


def nested():
    weight = tf.constant(np.random.default_rng(4).normal(size=(9, 3)).astype(np.float32))
    return tf.function(lambda x: tf.tanh(tf.matmul(tf.reshape(x, (-1, 9)), weight)))


def layers(*made):
    keras.utils.set_random_seed(2)
    images = x = keras.Input(SHAPE)
    for layer in made:
        x = layer(x)
    return keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


NETWORKS = {
    "a function of its own graph": nested,
    "gelu": lambda: layers(keras.layers.Conv2D(4, 2, activation="gelu")),
    "groups of channels": lambda: layers(
        keras.layers.Conv2D(4, 1, activation="tanh"),
        keras.layers.Conv2D(4, 2, groups=2, activation="tanh"),
    ),
    "a loop": lambda: layers(keras.layers.Reshape((3, 3)), keras.layers.GRU(5)),
}


SLOW = ("a loop", "groups of channels")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, make in NETWORKS.items()
    ],
)
def test_networks_of_many_kinds_against_tapes_over_tapes(make):
    predict = make()
    x = np.random.default_rng(5).uniform(-0.5, 0.5, (6, *SHAPE)).astype(np.float32)
    (weights,) = margin_weights(3, 0, [2])

    @tf.function
    def hessians(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                margin = tf.reduce_sum(predict(x) * weights)
            gradient = tf.reshape(inner.gradient(margin, x), (-1, 9))
        return outer.batch_jacobian(gradient, x, experimental_use_pfor=False)

    expected = hessians(tf.constant(x)).numpy().reshape(6, 9, 9)
    found = whole_hessians(predict, x, weights)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_products_are_those_of_the_images_that_are_active():
    """g(x) = sum x^3 / 6 has the Hessian diag(x); images drop out as theirs are finished."""
    x = np.random.default_rng(6).normal(size=(8, 4)).astype(np.float32)
    v = np.random.default_rng(7).normal(size=(8, 4)).astype(np.float32)
    compiled = hessian.compiled(lambda x: tf.reduce_sum(x**3 / 6, axis=1, keepdims=True), (4,))
    multiply = hessian.products(compiled, x, np.float32([1]))
    for active in ([*range(8)], [0, 1, 3, 4, 6, 7], [1, 3, 7], [3]):
        np.testing.assert_allclose(multiply(np.array(active), v[active]), (x * v)[active], 1e-5)
