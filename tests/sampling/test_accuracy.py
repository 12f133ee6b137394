"""Accuracy, and what is suspicious in it: of a network without a framework on the real digits."""

import numpy as np
import pytest

import setup_digits
from lipschitz.network import Box
from lipschitz.sampling import accuracy
from tests.sampling.numpy_network import NumPyNetwork, nearest_mean

DIGITS = setup_digits.load()
IMAGES, LABELS = DIGITS.test_data, DIGITS.test_labels


def trained():
    """A network for the digits."""
    return nearest_mean(DIGITS.train_data, DIGITS.train_labels.argmax(axis=1))


def moved(offset):
    """A network for digits whose values are moved by this."""
    network = trained()

    class Moved(NumPyNetwork):
        def logits(self, x):
            return network.logits(x - np.float32(offset))

    return Moved(network.a, network.b, network.input_shape)


def doubts(network, images=IMAGES, labels=LABELS):
    return list(accuracy.doubts(network, images, labels, network.logits(images)))


def test_accuracy_counts_the_largest_logits():
    found = accuracy.of_logits(np.array([[1, 2], [3, 0], [0, 1]]), np.eye(2)[[1, 1, 1]])
    assert found == (2, 3)
    assert str(found) == "2 of 3"


def test_a_good_network_raises_no_doubt():
    network = trained()
    assert accuracy.of_logits(network.logits(IMAGES), LABELS).right > 0.8 * len(IMAGES)
    assert doubts(network) == []


def test_a_better_range_is_named_with_the_layer_to_add():
    (doubt,) = doubts(moved(0.5))
    assert "the network is better on x + 0.5: " in doubt
    assert "put keras.layers.Rescaling(1.0, offset=0.5) in front of its layers" in doubt


def test_another_box_is_not_tried():
    network = moved(0.5)
    network.box = Box(0, 1)
    assert not any("better on" in doubt for doubt in doubts(network))


def test_turned_channels_are_named():
    colours = np.concatenate([IMAGES, np.zeros_like(IMAGES), -IMAGES], axis=-1)
    network = trained()

    class Turned(NumPyNetwork):
        def logits(self, x):
            return network.logits(x[..., 2:] if x.shape[-1] == 3 else x)

    doubt = doubts(Turned(network.a, network.b, (28, 28, 3)), colours)[-1]
    assert "better on the channels turned" in doubt
    assert "keras.ops.flip(x, axis=-1)" in doubt


@pytest.mark.parametrize(("shift", "words"), [(1, "one above the label"), (-1, "one below")])
def test_shifted_labels_are_named(shift, words):
    found = doubts(trained(), labels=np.roll(LABELS, -shift, axis=1))
    assert any("labels look shifted by one: " in doubt and words in doubt for doubt in found)


def test_a_network_that_guesses_is_named():
    blind = NumPyNetwork(np.zeros((10, 784), np.float32), np.eye(10)[3], (28, 28, 1))
    guessing, constant = doubts(blind)
    assert guessing.endswith("test images are classified correctly, no more than guessing gives")
    assert constant == "the predictions are nearly constant: class 3"


def test_few_images_raise_no_doubt():
    """One image that is classified wrongly is no sign of shifted labels."""
    assert doubts(trained(), IMAGES[:2], np.roll(LABELS[:2], 1, axis=1)) == []
