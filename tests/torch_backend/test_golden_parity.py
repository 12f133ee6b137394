"""The networks of 2018 in PyTorch: the samples and the numbers are those of the Keras models."""

import numpy as np
import pytest

import setup_mnist
from lipschitz.builtin import model_file
from lipschitz.network import Box, Convention, margin_weights
from lipschitz.sampling.experiment import sample_image
from lipschitz.sampling.sampler import Sampler
from lipschitz.settings import Settings

pytest.importorskip("torch")
pytest.importorskip("tensorflow")
from lipschitz.tf_backend.network import keras_network
from lipschitz.torch_backend.network import module_network
from tests.keras_twin import twin

pytestmark = pytest.mark.extra

SHAPE, LABEL, TARGETS = (28, 28, 1), 7, [3, 6, 8]  # of MNIST's first test image
ARCHITECTURES = {
    "normal": setup_mnist.FAMILY.named("normal"),
    "2-layer": setup_mnist.FAMILY.named("2-layer"),
    "tanh": setup_mnist.FAMILY.cnn("tanh"),
}
CURVED = ["2-layer", "tanh"]


@pytest.fixture(scope="module")
def image(mnist_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEVER_DATA", str(mnist_data))
        return setup_mnist.load().test_data[0]


@pytest.fixture(scope="module")
def networks(models_of_2018):
    """By name, the Keras model as a network and the module with its weights as one."""
    found = {}
    for name, each in ARCHITECTURES.items():
        model = model_file.load(models_of_2018 / each.stem, each.build)
        module = module_network(twin(model), Convention(Box()), SHAPE)
        found[name] = keras_network(model), module
    return found


def estimates_and_samples(network, image, monkeypatch, **settings):
    """What one seed gives, and the batches whose gradients were computed."""
    batches, compute = [], type(network).gradient_maxima

    def record(network, x, *others):
        batches.append(x.copy())  # its memory is written to again
        return compute(network, x, *others)

    monkeypatch.setattr(type(network), "gradient_maxima", record)
    settings = Settings(**settings)
    with Sampler(network, settings.batch_size, 1) as sampler:
        return sample_image(sampler, settings, image, LABEL, TARGETS), np.concatenate(batches)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maxima_are_of_the_same_samples(networks, image, monkeypatch, name):
    sizes = {"Nsamps": 256, "Niters": 4, "batch_size": 128}
    (theirs, samples), (ours, own_samples) = (
        estimates_and_samples(network, image, monkeypatch, **sizes) for network in networks[name]
    )
    assert samples.shape == (1024, *SHAPE)
    np.testing.assert_array_equal(own_samples, samples)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our.pred, their.pred, atol=1e-5 * np.abs(their.pred).max())
        assert our.g_x0 == pytest.approx(their.g_x0, rel=1e-5)
        for key in ("G2_max", "G1_max", "Gi_max"):
            np.testing.assert_allclose(getattr(our, key), getattr(their, key), rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_norms_of_each_sample(networks, image, name):
    rng = np.random.default_rng(0)
    samples = np.clip(image + rng.normal(0, 0.1, (256, *SHAPE)), -0.5, 0.5).astype(np.float32)
    weights = margin_weights(10, LABEL, TARGETS)[np.arange(256) % 3]
    theirs, ours = (network.gradients(samples, weights).of_margins for network in networks[name])
    for order in (1, 2, np.inf):
        expected, found = (
            np.linalg.norm(each.reshape(256, -1), order, axis=1) for each in (theirs, ours)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", CURVED)
def test_the_extreme_eigenvalues_of_each_iteration(networks, image, monkeypatch, name):
    sizes = {"order": 2, "Nsamps": 32, "Niters": 2, "batch_size": 32}
    theirs, ours = (
        estimates_and_samples(network, image, monkeypatch, **sizes)[0] for network in networks[name]
    )
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our.H2_max, their.H2_max, rtol=1e-3)
        assert our.g_x0_grad_2_norm == pytest.approx(their.g_x0_grad_2_norm, rel=1e-4)
        assert our.capped == 0
