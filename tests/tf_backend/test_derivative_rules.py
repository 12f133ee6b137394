"""The rules give what TensorFlow's own derivatives give, also where they do not apply."""

import numpy as np
import pytest

from lipschitz.tf_backend import derivative_rules
from lipschitz.tf_backend.runtime import tf

CONVOLUTIONS = [
    # height, width, channels, kernel rows, kernel columns, strides, padding
    (28, 28, 1, 3, 3, 1, "VALID"),
    (32, 32, 3, 3, 3, 1, "VALID"),
    (9, 10, 2, 2, 4, 1, "VALID"),
    (11, 7, 4, 5, 1, 1, "VALID"),
    (9, 9, 5, 3, 3, 1, "VALID"),
    (9, 9, 1, 3, 3, 2, "VALID"),
    (9, 9, 3, 3, 3, 1, "SAME"),
    (9, 9, 3, 3, 3, 1, [[0, 0], [1, 2], [0, 1], [0, 0]]),
]
POOLINGS = [
    # height, width, window, strides, padding
    (8, 8, 2, 2, "VALID"),
    (9, 7, 2, 2, "VALID"),
    (9, 9, 3, 3, "VALID"),
    (8, 8, 3, 2, "VALID"),
    (7, 7, 2, 2, "SAME"),
]


def derivatives(function, x, v, rules):
    """The gradient of sum f^3 in x, and its own derivative along v."""

    @tf.function
    def both(x):
        with rules():
            y = tf.reduce_sum(function(x) ** 3)
        (first,) = tf.gradients(y, x)
        return first, tf.gradients(first, x, v)[0]

    return both(x)


def default_rules():
    return tf.compat.v1.get_default_graph().gradient_override_map({})


def values(*shape):
    return tf.constant(np.random.default_rng(3).normal(size=shape).astype(np.float32))


def check(function, x, rules):
    v = values(*x.shape)
    expected = derivatives(function, x, v, default_rules)
    found = derivatives(function, x, v, rules)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("height", "width", "channels", "rows", "columns", "strides", "padding"), CONVOLUTIONS
)
def test_convolution(height, width, channels, rows, columns, strides, padding):
    kernel = values(rows, columns, channels, 6)
    check(
        lambda x: tf.nn.conv2d(x, kernel, strides, padding),
        values(2, height, width, channels),
        derivative_rules.first_order,
    )


@pytest.mark.parametrize(("groups", "strides"), [(2, 1), (3, 2)])
def test_convolution_of_groups(groups, strides):
    """As a convolution of all channels whose kernel is zero between the groups."""
    kernel, x, v = (
        values(3, 2, 2, 2 * groups),
        values(2, 9, 8, 2 * groups),
        values(2, 9, 8, 2 * groups),
    )
    between = np.kron(np.eye(groups), np.ones((2, 2), np.float32))

    def in_groups(x):
        return tf.nn.conv2d(x, kernel, strides, "VALID")

    def dense(x):
        return tf.nn.conv2d(x, tf.tile(kernel, (1, 1, groups, 1)) * between, strides, "VALID")

    expected = derivatives(dense, x, v, default_rules)
    found = derivatives(in_groups, x, v, derivative_rules.first_order)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("height", "width", "window", "strides", "padding"), POOLINGS)
def test_max_pooling(height, width, window, strides, padding):
    check(
        lambda x: tf.nn.max_pool2d(x, window, strides, padding),
        values(2, height, width, 3),
        derivative_rules.second_order,
    )


def test_equal_values_in_a_window_send_the_gradient_to_the_one_that_tensorflow_chooses():
    x = tf.constant(np.ones((1, 4, 4, 1), np.float32))
    check(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), x, derivative_rules.second_order)


def test_a_kernel_that_depends_on_the_images_has_its_share():
    x = values(1, 8, 8, 1)

    def function(x):
        return tf.nn.conv2d(x, tf.reshape(x[0, :3, :3, 0], (3, 3, 1, 1)), 1, "VALID")

    check(function, x, derivative_rules.first_order)
