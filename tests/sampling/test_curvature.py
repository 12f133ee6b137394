"""The extremes of a batch, against the eigenvalues of its whole Hessians."""

import numpy as np
import pytest
from scipy.linalg import eigvalsh

import setup_digits
from lipschitz.builtin import model_file
from lipschitz.maths.ball import ball
from lipschitz.network import margin_weights
from lipschitz.sampling.curvature import SLICE, Extremes, hessian_extremes
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.tf_backend.network import TensorFlowNetwork, keras_network
from lipschitz.tf_backend.runtime import tf
from tests.sampling.numpy_network import NumPyNetwork


@pytest.fixture(scope="module")
def model(digits_folder):
    """The trained 2-layer digits network."""
    path = digits_folder / "models" / "digits_2layer.keras"
    return model_file.load(path, setup_digits.FAMILY.named("2-layer").build)


@pytest.fixture(scope="module")
def network(model):
    return keras_network(model)


@pytest.fixture(scope="module")
def samples():
    """Points of the default ball around a digit."""
    out = np.empty((6, 784), np.float32)
    around = Neighbourhood(setup_digits.load().test_data[0], ball("l2"), 1215, 0)
    draw(out, around, Batch(0, 0, 0))
    return out.reshape(-1, 28, 28, 1)


def smallest_eigenvalues(model, samples, weights):
    """Of W1 diag(10 s (1 - s) W2 w) W1^T, for softplus(10 h) / 10 has the slope s(10 h)."""
    w1, b1, w2, _ = (np.float64(weight) for weight in model.get_weights())
    s = 1 / (1 + np.exp(-10 * (samples.reshape(len(samples), -1) @ w1 + b1)))
    hessians = [w1 * (10 * row * (1 - row) * (w2 @ weights)) @ w1.T for row in s]
    return np.concatenate([eigvalsh(each, subset_by_index=[0, 0]) for each in hessians])


def test_eigenvalues_are_those_of_full_hessians(model, network, samples):
    weights = margin_weights(10, 0, [1, 7])
    few = samples[:3]
    expected = np.stack([smallest_eigenvalues(model, few, w) for w in weights], axis=1)
    for sample, true in zip(few, expected, strict=True):
        found = hessian_extremes(network, sample[None], weights)
        np.testing.assert_allclose(found.eigenvalue, true, rtol=1e-3)
        assert not found.capped.any()
        assert not found.left_out.any()


def test_a_batch_gives_the_one_largest_in_magnitude(model, network, samples):
    weights = margin_weights(10, 0, [4])
    smallest = smallest_eigenvalues(model, samples, weights[0])
    found = hessian_extremes(network, samples, weights)
    largest = smallest[np.abs(smallest).argmax()]
    np.testing.assert_allclose(found.eigenvalue, largest, rtol=1e-3)
    assert len(samples) < found.products[0] < 60 * len(samples)


def test_a_batch_larger_than_a_slice_has_the_extremes_of_all_its_samples():
    network, weights = NumPyNetwork(), margin_weights(3, 0, [1, 2])
    x = np.random.default_rng(2).uniform(-0.5, 0.5, (3 * SLICE, 6)).astype(np.float32)
    found = hessian_extremes(network, x, weights)
    for eigenvalue, w in zip(found.eigenvalue, weights, strict=True):
        smallest = network.hessian_diagonals(x, w).min(axis=1)
        assert eigenvalue == pytest.approx(smallest[np.abs(smallest).argmax()], rel=1e-3)


def test_batches_add_up():
    first = Extremes(*np.array([[-2.0], [1], [10], [4]]))
    second = Extremes(*np.array([[1.5], [2], [30], [1]]))
    for merged in (first.merged(second), second.merged(first)):
        np.testing.assert_array_equal(merged.columns(), [[-2.0, 3, 40, 5]])


@pytest.mark.parametrize("pixel", [-1, 1e38])
def test_samples_without_finite_logits_or_hessian_are_left_out_and_counted(pixel):
    """The margin's second derivative in the pixel is -1/4 at 1; the square root of -1 is none."""

    def predict(x):
        pixel = x[:, 0, 0, 0]
        return tf.stack([tf.sqrt(pixel) + 4 * pixel, 0 * pixel], axis=1)

    network = TensorFlowNetwork(predict, (1, 1, 1), 2)
    batch = np.array([1, pixel], np.float32).reshape(2, 1, 1, 1)
    found = hessian_extremes(network, batch, margin_weights(2, 0, [1]))
    np.testing.assert_allclose(found.eigenvalue, -0.25, rtol=1e-6)
    np.testing.assert_array_equal(found.left_out, 1)
