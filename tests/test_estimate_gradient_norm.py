"""Models of one's own from Python: Keras models, objects of 2018, images of nearly the shape."""

import numpy as np
import pytest

from estimate_gradient_norm import EstimateLipschitz
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras, tf

layers = keras.layers


def linear(shape):
    """A model of logits 2 + sum(x), 1 + the first value of x, and 0."""
    size = int(np.prod(shape))
    kernel = np.zeros((size, 3), np.float32)
    kernel[:, 0], kernel[0, 1] = 1, 1
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(3)])
    model.set_weights([kernel, np.float32([2, 1, 0])])
    return model


def estimate(model, x_0, **more):
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model(model=model, batch_size=16, **more)
        return sampler.estimate(x_0, 0, [1, 2], 16, 2)


@pytest.mark.parametrize("shape", [(4, 5), (20,), (2, 10, 1)])
def test_a_keras_model_is_taken_as_it_is(shape):
    first, second = estimate(linear(shape), np.zeros(shape))
    np.testing.assert_allclose(first.G1_max, 19)
    np.testing.assert_allclose(second.G1_max, 20)
    assert (first.g_x0, second.g_x0) == (1, 2)


class Of2018:
    image_size, num_channels = 4, 2

    def predict(self, x):
        return tf.stack([1 + tf.reduce_sum(x, axis=(1, 2, 3)), 0 * x[:, 0, 0, 0]], axis=1)


@pytest.mark.parametrize(
    "make", [lambda: linear((4, 5)), lambda: keras_network(linear((7,))), Of2018]
)
def test_the_model_that_was_given_is_returned(make):
    model = make()
    with EstimateLipschitz(nthreads=1) as sampler:
        assert sampler.load_model(model=model, batch_size=16)[1] is model


def test_logits_are_those_of_the_model():
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model(model=linear((4, 5)), batch_size=16)
        np.testing.assert_array_equal(sampler.logits(np.zeros((1, 4, 5))), [[2, 1, 0]])


@pytest.mark.parametrize("shape", [(4, 5, 1), (1, 4, 5), (4, 1, 5)])
def test_axes_of_length_one_are_of_no_account(shape):
    x_0 = np.random.default_rng(0).uniform(0, 0.5, (4, 5)).astype(np.float32)
    model = linear((4, 5))
    found, expected = estimate(model, x_0.reshape(shape)), estimate(model, x_0)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.pred, theirs.pred)
        np.testing.assert_array_equal(ours.G2_max, theirs.G2_max)


@pytest.mark.parametrize("shape", [(20,), (5, 4), (2, 2, 5)])
def test_another_shape_is_told(shape):
    with pytest.raises(ValueError, match=r"x_0 has the shape .*, the network takes \(4, 5\)"):
        estimate(linear((4, 5)), np.zeros(shape))


@pytest.mark.parametrize("says", [{}, {"num_labels": 2}, {"num_labels": None}])
def test_an_object_of_2018_need_not_say_how_many_classes_it_has(says):
    model = type("Model", (Of2018,), says)()
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model(model=model, batch_size=16)
        found = sampler.estimate(np.zeros((4, 4, 2)), 0, 1, 16, 2)
    np.testing.assert_allclose(found.G1_max, 32, rtol=1e-6)


def test_what_is_no_network_is_told():
    with EstimateLipschitz() as sampler:
        message = "object is not a network: it lacks image_size, num_channels, predict"
        with pytest.raises(ValueError, match=message):
            sampler.load_model(model=object())


def test_a_model_without_a_gradient_is_told_when_it_is_sampled():
    images = keras.Input((4,))
    model = keras.Model(images, layers.Dense(3)(keras.ops.round(images)))
    model.set_weights([np.ones((4, 3), np.float32), np.float32([2, 1, 0])])
    with pytest.raises(InputError, match=r"none passes through \S+ \(Round\)$"):
        estimate(model, np.zeros(4))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_recurrent_models_have_a_second_order(policy):
    keras.utils.set_random_seed(4)
    steps = keras.Input((5, 2))
    hidden = layers.LSTM(6, dtype=policy)(steps)
    model = keras.Model(steps, layers.Dense(3, dtype=policy)(hidden))
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.float32([2, 1, 0])])
    for found in estimate(model, np.zeros((5, 2)), order=2):
        assert np.isfinite(found.H2_max).all()
        assert found.H2_max.any()
