"""A module gives the numbers of the Keras model with its weights."""

import numpy as np
import pytest

import setup_digits
from lipschitz.network import Box, Convention, margin_weights
from lipschitz.sampling.curvature import hessian_extremes
from lipschitz.sampling.experiment import sample_image
from lipschitz.sampling.sampler import Sampler
from lipschitz.settings import Settings

pytest.importorskip("torch")
pytest.importorskip("tensorflow")
from lipschitz.tf_backend.network import keras_network
from lipschitz.torch_backend.network import module_network
from tests.torch_backend.modules import cnn, mlp

pytestmark = pytest.mark.extra

DIGITS = setup_digits.load().test_data
KINDS = {
    "cnn, relu": lambda: cnn("relu"),
    "cnn, tanh": lambda: cnn("tanh"),
    "mlp, softplus": lambda: mlp("softplus"),
}
CURVED = ["cnn, tanh", "mlp, softplus"]


@pytest.fixture(scope="module", params=KINDS)
def both(request):
    model, module = KINDS[request.param]()
    torch_network = module_network(module, Convention(Box()), (28, 28, 1))
    return keras_network(model), torch_network


def test_logits(both):
    ours, theirs = (network.logits(DIGITS[:20]) for network in reversed(both))
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("slopes", [False, True])
def test_maxima_of_gradient_norms(both, slopes):
    weights = margin_weights(10, 0, [1, 5, 7])
    theirs, ours = (network.gradient_maxima(DIGITS[:30], weights, slopes) for network in both)
    np.testing.assert_allclose(ours.largest, theirs.largest, rtol=1e-4)
    np.testing.assert_array_equal(ours.left_out, theirs.left_out)


def test_gradients(both):
    weights = margin_weights(10, 3, [1, 5, 7, 9])
    theirs, ours = (network.gradients(DIGITS[:4], weights) for network in both)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_what_is_piecewise_linear(both):
    theirs, ours = (network.is_piecewise_linear() for network in both)
    assert ours == theirs


@pytest.mark.parametrize("kind", CURVED)
def test_extreme_eigenvalues(kind):
    model, module = KINDS[kind]()
    both = keras_network(model), module_network(module, Convention(Box()), (28, 28, 1))
    weights = margin_weights(10, 0, [1, 5])
    theirs, ours = (hessian_extremes(network, DIGITS[:12], weights) for network in both)
    np.testing.assert_allclose(ours.eigenvalue, theirs.eigenvalue, rtol=1e-3)


def test_estimates_are_of_the_same_samples(both):
    """Of the same seed; the samples are those of NumPy, and equal to the bit."""
    settings = Settings(Nsamps=128, Niters=3, batch_size=64, box=Box())
    estimates = []
    for network in both:
        label = int(network.logits(DIGITS[:1])[0].argmax())
        with Sampler(network, 64, 1) as sampler:
            estimates += sample_image(sampler, settings, DIGITS[0], label, [(label + 1) % 10])
    theirs, ours = estimates
    assert ours.g_x0 == pytest.approx(theirs.g_x0, rel=1e-5)
    for key in ("G2_max", "G1_max", "Gi_max"):
        np.testing.assert_allclose(getattr(ours, key), getattr(theirs, key), rtol=1e-4)


def test_a_rerun_is_the_same_to_the_bit(both):
    _, network = both
    weights = margin_weights(10, 0, [1, 5, 7])
    first, again = (network.gradient_maxima(DIGITS, weights).largest for _ in range(2))
    np.testing.assert_array_equal(first, again)
