"""Mean and standard deviation in front of a network: part of it, in units of its box."""

import numpy as np
import pytest

from lipschitz.network import Box, Convention, margin_weights
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras

layers = keras.layers
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
X = np.random.default_rng(0).random((4, 5, 6, 3), np.float32)
TARGETS = margin_weights(4, 0, [1, 2])


def model(shape=(5, 6, 3)):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(4)])


def test_the_network_sees_normalized_images():
    plain = model()
    network = keras_network(plain, Box(0, 1), mean=MEAN, std=STD)
    np.testing.assert_allclose(network.logits(X), plain((X - MEAN) / STD), rtol=1e-5)
    assert network.box == Box(0, 1)


def test_gradients_are_in_units_of_the_box():
    """Of a linear network they are those of its weights, divided by std."""
    plain = model()
    network = keras_network(plain, Box(0, 1), mean=MEAN, std=STD)
    kernel = plain.get_weights()[0].T.reshape(4, 5, 6, 3) / STD
    expected = np.abs(kernel[0] - kernel[1]).sum()
    found = network.gradient_maxima(X, TARGETS).largest[0, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_channels_may_come_first():
    plain = model((3, 5, 6))
    turned = np.moveaxis(X, -1, 1)
    network = keras_network(plain, Box(0, 1), mean=MEAN, std=STD)
    expected = plain(np.moveaxis((X - MEAN) / STD, -1, 1))
    np.testing.assert_allclose(network.logits(turned), expected, rtol=1e-5)


def test_another_normalization_is_another_network():
    plain = model()
    prints = {
        keras_network(plain, Box(0, 1), mean=mean, std=std).fingerprint
        for mean, std in [((0.0,), (1.0,)), ((0.5,), (1.0,)), ((0.5,), (0.5,)), (MEAN, STD)]
    }
    assert len(prints) == 4


def test_one_mean_for_each_channel_is_needed():
    with pytest.raises(ValueError, match=r"there are 3 means, one for each channel, and .*5x6x1"):
        keras_network(model((5, 6, 1)), mean=MEAN, std=STD)


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((0.5,), (0.0,), "std above 0"),
        ((np.nan,), (1.0,), "finite numbers"),
        ((0.5, 0.5), (1.0,), "2 means and 1 stds"),
    ],
)
def test_what_cannot_be_a_normalization_is_told(mean, std, said):
    with pytest.raises(ValueError, match=said):
        Convention(Box(), mean, std)
