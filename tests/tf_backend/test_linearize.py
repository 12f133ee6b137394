"""Functions linear in v, split, against their closed forms."""

import numpy as np
import pytest

from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.tf_backend import linearize
from lipschitz.tf_backend.runtime import tf

NUMBERS = tf.TensorSpec((None, 3), tf.float32)
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
V = np.array([[7, 8, 9], [1, 0, -1]], np.float32)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, v: tf.exp(x) * v + 2 * v, np.exp(X) * V + 2 * V),
        (lambda x, v: v * 3, V * 3),
        (lambda x, v: x, X),
        (lambda x, v: v, V),
    ],
)
def test_both_parts_together_are_the_function(function, expected):
    at = linearize.split(function, [NUMBERS], NUMBERS)
    np.testing.assert_allclose(at(tf.constant(X))(tf.constant(V)), expected, rtol=1e-6)


def test_what_v_does_not_change_is_computed_once():
    calls = []

    def counted(x):
        calls.append(1)
        return np.sin(x)

    def function(x, v):
        y = tf.numpy_function(counted, [x], tf.float32)
        y.set_shape(x.shape)
        return y * v

    along = linearize.split(function, [NUMBERS], NUMBERS)(tf.constant(X))
    for scale in (1, 2, 3):
        np.testing.assert_allclose(along(tf.constant(scale * V)), scale * np.sin(X) * V, rtol=1e-6)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_has_its_second_derivative(name):
    """Of f(x) = sum a(x)^2: (2 a'^2 + 2 a a'') v, against differences of the first derivative."""
    images = tf.keras.Input((3,))
    model = tf.keras.Model(images, ACTIVATIONS[name](images))

    def first(x):
        (gradient,) = tf.gradients(tf.reduce_sum(model(x) ** 2), x)
        return gradient

    at = linearize.split(lambda x, v: tf.gradients(first(x), x, v)[0], [NUMBERS], NUMBERS)
    step = 1e-2
    x = X / 10  # away from corners
    slope = tf.function(first)
    expected = (slope(tf.constant(x + step * V)) - slope(tf.constant(x - step * V))) / (2 * step)
    np.testing.assert_allclose(at(tf.constant(x))(tf.constant(V)), expected, rtol=0.02, atol=0.02)


def test_variables_are_those_of_the_moment():
    weight = tf.Variable(2.0)
    at = linearize.split(lambda x, v: weight * x * v, [NUMBERS], NUMBERS)
    weight.assign(5.0)
    np.testing.assert_allclose(at(tf.constant(X))(tf.constant(V)), 5 * X * V)
