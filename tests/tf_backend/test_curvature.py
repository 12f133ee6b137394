"""Hessian eigenvalues of networks against full Hessians."""

import numpy as np
import pytest
from lipschitz.tf_backend.curvature import hessian_extremes, merge

import setup_digits
from lipschitz.builtin import model_file
from lipschitz.maths.ball import ball
from lipschitz.network import margin_weights
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.tf_backend.runtime import tf


@pytest.fixture(scope="module")
def model(digits_folder):
    """The trained 2-layer digits network."""
    path = digits_folder / "models" / "digits_2layer.keras"
    return model_file.load(path, setup_digits.FAMILY.named("2-layer").build)


@pytest.fixture(scope="module")
def samples():
    """Points of the default ball around a digit."""
    out = np.empty((12, 784), np.float32)
    around = Neighbourhood(setup_digits.load().test_data[0], ball("l2"), 1215, 0)
    draw(out, around, Batch(0, 0, 0))
    return out.reshape(-1, 28, 28, 1)


def hessians(model, samples, weights):
    """(B, 784, 784): W1 diag(10 s (1 - s) W2 w) W1^T, for softplus(10 h) / 10 has slope s(10 h)."""
    w1, b1, w2, _ = (np.float64(weight) for weight in model.get_weights())
    s = 1 / (1 + np.exp(-10 * (samples.reshape(len(samples), -1) @ w1 + b1)))
    return np.stack([w1 * (10 * row * (1 - row) * (w2 @ weights)) @ w1.T for row in s])


def test_eigenvalues_are_those_of_full_hessians(model, samples):
    weights = margin_weights(10, 0, [1, 7])
    measure = hessian_extremes(model)
    for sample in samples:
        found = measure(sample[None], weights)
        for (eigenvalue, capped, _, left_out), w in zip(found, weights, strict=True):
            true = np.linalg.eigvalsh(hessians(model, sample[None], w)[0])[0]
            assert eigenvalue == pytest.approx(true, rel=1e-3)
            assert capped == left_out == 0


def test_a_batch_gives_the_one_largest_in_magnitude(model, samples):
    weights = margin_weights(10, 0, [4])
    smallest = np.linalg.eigvalsh(hessians(model, samples, weights[0]))[:, 0]
    ((eigenvalue, _, products, _),) = hessian_extremes(model)(samples, weights)
    assert eigenvalue == pytest.approx(smallest[np.abs(smallest).argmax()], rel=1e-3)
    assert len(samples) < products < 60 * len(samples)


def test_a_quadratic_form_has_its_matrix_for_hessian():
    a = np.random.default_rng(3).normal(size=(6, 6)).astype(np.float32)

    def predict(x):
        flat = tf.reshape(x, (-1, 6))
        return tf.stack([tf.reduce_sum(flat * (flat @ a), axis=1), flat[:, 0]], axis=1)

    ((eigenvalue, *_),) = hessian_extremes(predict)(
        np.zeros((2, 2, 3, 1), np.float32), margin_weights(2, 0, [1])
    )
    assert eigenvalue == pytest.approx(np.linalg.eigvalsh(a + a.T)[0], rel=1e-3)


def test_batches_add_up():
    first, second = np.array([[-2.0, 1, 10, 4]]), np.array([[1.5, 2, 30, 1]])
    np.testing.assert_array_equal(merge(first, second), [[-2.0, 3, 40, 5]])
    np.testing.assert_array_equal(merge(second, first), [[-2.0, 3, 40, 5]])


@pytest.mark.parametrize("pixel", [-1, 1e38])
def test_samples_without_finite_logits_or_hessian_are_left_out_and_counted(pixel):
    """The margin's second derivative in the pixel is -1/4 at 1; the square root of -1 is none."""

    def predict(x):
        pixel = x[:, 0, 0, 0]
        return tf.stack([tf.sqrt(pixel) + 4 * pixel, 0 * pixel], axis=1)

    batch = np.array([1, pixel], np.float32).reshape(2, 1, 1, 1)
    ((eigenvalue, _, _, left_out),) = hessian_extremes(predict)(batch, margin_weights(2, 0, [1]))
    assert eigenvalue == pytest.approx(-0.25)
    assert left_out == 1


def nested():
    weight = tf.constant(np.random.default_rng(4).normal(size=(9, 3)).astype(np.float32))
    return tf.function(lambda x: tf.tanh(tf.matmul(tf.reshape(x, (-1, 9)), weight)))


def layers(*made):
    tf.keras.utils.set_random_seed(2)
    images = x = tf.keras.Input((3, 3, 1))
    for layer in made:
        x = layer(x)
    return tf.keras.Model(images, tf.keras.layers.Dense(3)(tf.keras.layers.Flatten()(x)))


NETWORKS = {
    "a function of its own graph": nested,
    "gelu and a norm over the layer": lambda: layers(
        tf.keras.layers.Conv2D(4, 2, activation="gelu"), tf.keras.layers.LayerNormalization()
    ),
    "groups of channels": lambda: layers(
        tf.keras.layers.Conv2D(4, 1, activation="tanh"),
        tf.keras.layers.Conv2D(4, 2, groups=2, activation="tanh"),
    ),
    "a loop": lambda: layers(tf.keras.layers.Reshape((3, 3)), tf.keras.layers.GRU(5)),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_networks_of_many_kinds_against_numpy_on_their_whole_hessians(make):
    predict = make()
    x = np.random.default_rng(5).uniform(-0.5, 0.5, (6, 3, 3, 1)).astype(np.float32)
    weights = margin_weights(3, 0, [2])

    @tf.function
    def hessians(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                margin = tf.reduce_sum(predict(x) * weights)
            gradient = tf.reshape(inner.gradient(margin, x), (-1, 9))
        return outer.batch_jacobian(gradient, x, experimental_use_pfor=False)

    smallest = np.linalg.eigvalsh(hessians(tf.constant(x)).numpy().reshape(6, 9, 9))[:, 0]
    expected = smallest[np.abs(smallest).argmax()]
    assert hessian_extremes(predict)(x, weights)[0, 0] == pytest.approx(expected, rel=2e-3)
