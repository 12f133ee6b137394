"""Gradient norms against closed forms and finite differences."""

import numpy as np
import pytest

from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import seven_layer, two_layer
from lipschitz.network import margin_weights
from lipschitz.tf_backend import gradients
from lipschitz.tf_backend.gradients import gradient_maxima, logits
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras, tf

TARGETS = [6, 9, 8]


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (600, 28, 28, 1)).astype(np.float32)


def norms(of_targets):
    """L2, L1, L-infinity norms (targets, 3) of the largest gradients of (targets, B, n)."""
    return np.stack([np.linalg.norm(of_targets, p, axis=2).max(axis=1) for p in (2, 1, np.inf)], 1)


def closed_form(model, batch, weights):
    """dg/dx (targets, B, n) of the 2-layer network: W1 (sigmoid(10 h) * (W2 w)).

    softplus(10 h) / 10 has the slope sigmoid(10 h).
    """
    w1, b1, w2, _ = (np.float64(weight) for weight in model.get_weights())
    slopes = 1 / (1 + np.exp(-10 * (batch.reshape(len(batch), -1) @ w1 + b1)))
    return np.stack([(slopes * (w2 @ w)) @ w1.T for w in weights])


def test_two_layer_network_against_its_closed_form(batch):
    keras.utils.set_random_seed(1)
    model = two_layer(28, 1)
    w1, b1, w2, b2 = (np.float64(weight) for weight in model.get_weights())
    h = batch.reshape(len(batch), -1) @ w1 + b1
    np.testing.assert_allclose(
        logits(model, batch), np.logaddexp(0, 10 * h) / 10 @ w2 + b2, atol=1e-5
    )
    weights = margin_weights(10, 7, TARGETS)
    found = gradient_maxima(model)(batch, weights)
    np.testing.assert_allclose(found.largest, norms(closed_form(model, batch, weights)), rtol=1e-5)
    np.testing.assert_array_equal(found.left_out, 0)


def test_each_image_has_the_gradient_of_its_own_margin(batch):
    keras.utils.set_random_seed(1)
    model = two_layer(28, 1)
    weights = margin_weights(10, 7, TARGETS)
    of_image = np.arange(len(batch)) % len(TARGETS)
    logits, found = gradients.gradients(model)(batch, weights[of_image])
    np.testing.assert_allclose(logits, model(batch), atol=1e-5)
    assert found.shape == batch.shape
    of_targets = closed_form(model, batch, weights)
    expected = of_targets[of_image, np.arange(len(batch))]
    np.testing.assert_allclose(found.reshape(len(batch), -1), expected, atol=1e-6)
    alone = keras_network(model).gradients(batch[:1], weights[:1]).of_margins
    np.testing.assert_allclose(alone, found[:1], atol=1e-6)


def test_seven_layer_network_against_finite_differences():
    """Along v the slope of g is dg/dx . v; along all 784 axes it is the gradient itself."""
    keras.utils.set_random_seed(1)
    model = seven_layer(28, 1, (32, 32, 64, 64, 200, 200), ACTIVATIONS["relu"])
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 28, 28, 1)).astype(np.float32)
    weights = margin_weights(10, 7, TARGETS)
    step_size = 5e-4
    step = step_size * np.eye(784, dtype=np.float32).reshape(784, 28, 28, 1)
    slope = (logits(model, x + step) - logits(model, x - step)) / (2 * step_size)
    expected = norms(np.stack([(slope @ w)[None] for w in weights]))
    found = gradient_maxima(model)(x, weights)
    np.testing.assert_allclose(found.largest, expected, rtol=0.01)


def test_slopes_of_pairs_against_numpy(batch):
    """|g(a) - g(b)| over the distance in the dual norm: L2, L-infinity and L1 for L2, L1, Linf."""
    keras.utils.set_random_seed(1)
    model = two_layer(28, 1)
    weights = margin_weights(10, 7, TARGETS)
    margins = np.float64(logits(model, batch) @ weights.T)
    rise = np.abs(margins[0::2] - margins[1::2])
    step = np.float64(batch[0::2] - batch[1::2]).reshape(300, -1)
    distance = [np.linalg.norm(step, p, axis=1) for p in (2, np.inf, 1)]
    expected = np.stack([(rise / d[:, None]).max(axis=0) for d in distance], axis=1)
    found = gradient_maxima(model, slopes=True)(batch, weights)
    np.testing.assert_allclose(found.largest[:, 3:], expected, rtol=1e-4)
    without = gradient_maxima(model)(batch, weights)
    np.testing.assert_allclose(found.largest[:, :3], without.largest, rtol=1e-6)
    np.testing.assert_array_equal(found.left_out, without.left_out)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_tiny_and_huge_gradients_have_their_norm(scale):
    w = np.array([3, -4], np.float32) * np.float32(scale)
    maxima = gradient_maxima(
        lambda x: tf.stack([x[:, 0, :, 0] @ w[:, None], x[:, 0, :1, 0] * 0], 1)[..., 0]
    )
    found = maxima(np.zeros((2, 1, 2, 1), np.float32), margin_weights(2, 0, [1]))
    expected = [[5 * scale, 7 * scale, 4 * scale, 0]]
    np.testing.assert_allclose(found.columns(), expected, rtol=1e-5)


def test_equal_samples_have_no_slope():
    model = two_layer(28, 1)
    found = gradient_maxima(model, slopes=True)(
        np.zeros((4, 28, 28, 1), "f"), np.eye(10, dtype="f")
    )
    np.testing.assert_array_equal(found.columns()[:, 3:], 0)


def test_a_thousand_targets_are_those_of_one_by_one():
    rng = np.random.default_rng(2)
    w = rng.normal(size=(5, 1000)).astype(np.float32)
    maxima = gradient_maxima(lambda x: tf.matmul(tf.reshape(x, (-1, 5)), w))
    weights = margin_weights(1000, 3, [t for t in range(1000) if t != 3])
    found = maxima(rng.normal(size=(4, 1, 5, 1)).astype(np.float32), weights)
    difference = w[:, [3]] - np.delete(w, 3, axis=1)
    expected = np.stack([np.linalg.norm(difference, p, axis=0) for p in (2, 1, np.inf)], axis=1)
    np.testing.assert_allclose(found.largest, expected, rtol=1e-5)


def test_the_batch_maximum_is_that_of_its_samples(batch):
    model = two_layer(28, 1)
    weights = margin_weights(10, 7, [6])
    maxima = gradient_maxima(model)
    alone = np.max([maxima(x[None], weights).columns() for x in batch[500:520]], axis=0)
    np.testing.assert_allclose(maxima(batch[500:520], weights).columns(), alone, rtol=1e-5)


def square_root_and_line(x):
    """Logits whose first has no value for a pixel below 0, and no finite slope at 0."""
    return tf.stack([tf.sqrt(x[:, 0, 0, 0]), 3 * x[:, 0, 1, 0]], axis=1)


@pytest.mark.parametrize("pixel", [-1, 0])
@pytest.mark.parametrize("slopes", [False, True])
def test_samples_without_finite_logits_and_gradients_are_left_out_and_counted(pixel, slopes):
    """At 1 the gradient of the margin is (1/2, -3); other samples would give nan and infinity."""
    batch = np.ones((6, 1, 2, 1), np.float32)
    batch[2, 0, 0, 0] = pixel
    found = gradient_maxima(square_root_and_line, slopes)(batch, margin_weights(2, 0, [1]))
    np.testing.assert_allclose(found.largest[0, :3], [np.sqrt(9.25), 3.5, 3], rtol=1e-6)
    # a pair of which one sample has no logits has no slope, and both are left out
    assert found.left_out == (2 if slopes and pixel < 0 else 1)


def test_if_no_sample_is_finite_all_are_counted():
    batch = np.full((3, 1, 2, 1), -1, np.float32)
    found = gradient_maxima(square_root_and_line)(batch, margin_weights(2, 0, [1]))
    np.testing.assert_array_equal(found.columns(), [[0, 0, 0, 3]])


def test_a_logit_that_overflows_is_counted_though_its_gradient_is_finite():
    batch = np.array([1, 1e38], np.float32).reshape(2, 1, 1, 1)
    found = gradient_maxima(lambda x: tf.concat([4 * x[:, 0, 0], x[:, 0, 0] * 0], 1))(
        batch, margin_weights(2, 0, [1])
    )
    np.testing.assert_array_equal(found.columns(), [[4, 4, 4, 1]])
