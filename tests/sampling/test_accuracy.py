"""Accuracy, and what is suspicious in it: of a network without a framework on the real digits."""

import numpy as np
import pytest

import setup_digits
from lipschitz.network import Box, Convention
from lipschitz.sampling import accuracy
from lipschitz.sampling.accuracy import Alternative
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
    return list(accuracy.doubts(labels, network.logits(images)))


USUAL = Convention(Box())


def better(network, images=IMAGES, convention=USUAL):
    """The alternative that is better, for a network that has this convention."""
    network.box = convention.box
    found = accuracy.better_input(network, images, LABELS, network.logits(images), convention)
    return found and found.alternative


def test_accuracy_counts_the_largest_logits():
    found = accuracy.of_logits(np.array([[1, 2], [3, 0], [0, 1]]), np.eye(2)[[1, 1, 1]])
    assert found == (2, 3)
    assert str(found) == "2 of 3"


def test_a_good_network_raises_no_doubt():
    network = trained()
    assert accuracy.of_logits(network.logits(IMAGES), LABELS).right > 0.8 * len(IMAGES)
    assert doubts(network) == []


def test_a_better_range_is_found():
    assert better(moved(0.5)) == Alternative(0, 1)
    assert better(moved(0.5), IMAGES + 0.5, Convention(Box(0, 1))) is None


def test_what_is_better_is_told_with_both_accuracies():
    network = moved(0.5)
    right = accuracy.of_logits(trained().logits(IMAGES), LABELS).right
    before = accuracy.of_logits(network.logits(IMAGES), LABELS).right
    found = accuracy.better_input(
        network, IMAGES, LABELS, network.logits(IMAGES), Convention(Box())
    )
    assert str(found) == (
        f"the network is better on values in [0, 1]: {right} of {len(IMAGES)} test images are "
        f"classified correctly, not {before}"
    )


def test_another_box_is_tried_too():
    """Images from 0 to 255 for a network of [-0.5, 0.5]."""
    assert better(moved(0), 255 * (IMAGES + 0.5), Convention(Box(0, 255))) == Alternative(-0.5, 0.5)


COLOURS = np.concatenate([IMAGES, np.zeros_like(IMAGES), -IMAGES], axis=-1)


def of_channel(channel, convert=lambda x: x):
    """A network of pictures that sees one channel alone."""
    network = trained()

    class Channel(NumPyNetwork):
        def logits(self, x):
            return network.logits(np.ascontiguousarray(convert(x)[..., channel, None], np.float32))

    return Channel(network.a, network.b, (28, 28, 3))


def test_turned_channels_are_found():
    assert better(of_channel(2), COLOURS) == Alternative(-0.5, 0.5, turned=True)
    assert "with the channels turned" in str(Alternative(-0.5, 0.5, turned=True))


def test_a_normalization_that_is_lacking_is_found():
    mean, std = map(np.array, accuracy.IMAGENET[:2])

    def blind_to_others(x):
        """What ImageNet's normalization was made of; nothing if black is not as dark as there."""
        return (x * std + mean - 0.5) * (x.min() < -2)

    sees = Alternative(0, 1, normalization=accuracy.IMAGENET)
    assert better(of_channel(0, blind_to_others), COLOURS) == sees
    assert str(sees) == "values in [0, 1] normalized with the mean and std of ImageNet"


def test_a_normalization_that_is_there_twice_is_found():
    """The network takes the mean off itself, and the convention does so again."""
    convention = Convention(Box(0, 1), mean=(5.0,), std=(10.0,))
    network = trained()

    class Twice(NumPyNetwork):
        def logits(self, x):  # of which the convention's part comes first
            return network.logits(np.float32((x - 5) / 10 - 0.5))

    found = better(Twice(network.a, network.b, (28, 28, 1)), IMAGES + 0.5, convention)
    assert found == Alternative(0, 1, unnormalized=True)


def test_the_usual_one_of_those_that_are_as_good_is_named_first():
    """A network that sees the signs alone: any range with its middle at 0 is as good."""
    network = trained()

    class Signs(NumPyNetwork):
        def logits(self, x):
            return network.logits(np.float32(np.sign(x)) / 2)

    seen = Signs(network.a, network.b, (28, 28, 1))
    seen.box = Box(0, 1)
    x = IMAGES + 0.5
    found = accuracy.better_input(seen, x, LABELS, seen.logits(x), Convention(Box(0, 1)))
    assert found.alternative == Alternative(-0.5, 0.5)
    assert f"({found.right} on values in [-1, 1])" in str(found)


def test_a_normalization_by_the_images_own_mean_and_std_is_found():
    mean, std = (IMAGES + 0.5).mean(), (IMAGES + 0.5).std()

    class Normalized(NumPyNetwork):
        """Blind to images that do not have the mean 0 and the standard deviation 1, nearly."""

        def logits(self, x):
            return network.logits(
                np.float32(x * std + mean - 0.5) * (x.min() < -0.1) * (x.max() > 2)
            )

    network = trained()
    seen = Normalized(network.a, network.b, (28, 28, 1))
    found = better(seen, IMAGES + 0.5, Convention(Box(0, 1)))
    np.testing.assert_allclose(found.normalization[:2], [[mean], [std]], rtol=5e-3)


@pytest.mark.parametrize(("shift", "words"), [(1, "one above the label"), (-1, "one below")])
def test_shifted_labels_are_named(shift, words):
    found = doubts(trained(), labels=np.roll(LABELS, -shift, axis=1))
    assert any("labels look shifted by one: " in doubt and words in doubt for doubt in found)


def test_a_network_that_guesses_is_named():
    blind = NumPyNetwork(np.zeros((10, 784), np.float32), np.eye(10)[3], (28, 28, 1))
    guessing, constant = doubts(blind)
    assert guessing.endswith("test images are classified correctly, no more than guessing gives")
    assert constant == "the predictions are nearly constant: class 3"


def test_constant_predictions_are_named_without_labels_too():
    blind = NumPyNetwork(np.zeros((10, 784), np.float32), np.eye(10)[3], (28, 28, 1))
    assert doubts(blind, labels=None) == ["the predictions are nearly constant: class 3"]
    assert doubts(trained(), labels=None) == []


def test_few_images_raise_no_doubt():
    """One image that is classified wrongly is no sign of shifted labels."""
    assert doubts(trained(), IMAGES[:2], np.roll(LABELS[:2], 1, axis=1)) == []
