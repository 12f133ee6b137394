"""A softmax or sigmoid at a network's end is taken off, however the model ends with it."""

import numpy as np
import pytest

from lipschitz.network import Box, margin_weights
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras

layers, ops = keras.layers, keras.ops
X = np.random.default_rng(0).random((4, 6, 6, 1), np.float32)
TARGETS = margin_weights(5, 0, [1, 2])


def hidden():
    return [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(8, "relu")]


def sequential(*end):
    return keras.Sequential([*hidden(), *end])


def wrapped(model):
    images = keras.Input((6, 6, 1))
    return keras.Model(images, model(images))


def ended(model, function):
    return keras.Model(model.inputs[0], function(model.outputs[0]))


def with_weights(model):
    """The model with the weights of `LOGITS`, which are larger than those of a new one."""
    model.set_weights(LOGITS.get_weights())
    return model


def with_large_weights(model):
    """The model with known weights, larger than those of a new one."""
    model.set_weights([9 * np.random.default_rng(1).normal(size=w.shape) for w in model.weights])
    return model


LOGITS = with_large_weights(sequential(layers.Dense(5)))

SOFTMAX = {
    "activation of a layer": lambda: sequential(layers.Dense(5, "softmax")),
    "an Activation layer": lambda: sequential(layers.Dense(5), layers.Activation("softmax")),
    "a Softmax layer": lambda: sequential(layers.Dense(5), layers.Softmax()),
    "in a model in the model": lambda: wrapped(sequential(layers.Dense(5, "softmax"))),
    "a function": lambda: ended(sequential(layers.Dense(5)), ops.softmax),
    "along another axis": lambda: sequential(
        layers.Dense(5), layers.Reshape((5, 1, 1)), layers.Softmax(axis=1), layers.Flatten()
    ),
    "cast after it": lambda: ended(
        sequential(layers.Dense(5, "softmax")), lambda y: ops.cast(y, "float64")
    ),
}


def test_margins_and_gradients_are_those_of_the_logits(subtests, capsys):
    expected = keras_network(LOGITS, Box(0, 1))
    saturated = sequential(layers.Dense(5, "softmax"))
    assert with_weights(saturated)(X).numpy().max() == 1  # whose logarithms would not do
    for name, make in SOFTMAX.items():
        with subtests.test(name):
            network = keras_network(with_weights(make()), Box(0, 1))
            said = "the softmax at the network's end is taken off: its logits are scored\n"
            assert capsys.readouterr().err == said
            np.testing.assert_allclose(network.logits(X), expected.logits(X), rtol=1e-5)
            found = network.gradient_maxima(X, TARGETS).largest
            np.testing.assert_allclose(
                found, expected.gradient_maxima(X, TARGETS).largest, rtol=1e-5
            )


def test_the_network_stays_piecewise_linear_and_has_its_own_fingerprint():
    network = keras_network(with_weights(sequential(layers.Dense(5), layers.Softmax())))
    assert network.is_piecewise_linear()
    assert network.fingerprint != keras_network(LOGITS).fingerprint


def test_second_derivatives_of_a_normalization_before_a_softmax_are_right():
    """They need operations in the graph itself, not in a function that it calls."""
    tanh = [keras.Input((6,)), layers.Dense(8, "tanh"), layers.LayerNormalization()]
    softmax = keras.Sequential([*tanh, layers.Dense(3, "softmax")])
    logits = keras.Sequential([*tanh, layers.Dense(3)])
    logits.set_weights(softmax.get_weights())
    x, v, w = (
        np.float32([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]),
        np.eye(1, 6, 2),
        margin_weights(3, 0, [1]),
    )
    found, expected = (
        keras_network(model, Box(0, 1)).hessian_products(x, w[0])(np.arange(1), v)
        for model in (softmax, logits)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_sigmoid_for_each_class_is_taken_off(capsys):
    network = keras_network(with_weights(sequential(layers.Dense(5, "sigmoid"))))
    assert "the sigmoid at the network's end is taken off" in capsys.readouterr().err
    np.testing.assert_allclose(network.logits(X), LOGITS(X), rtol=1e-5)


def test_a_softmax_of_a_part_of_the_classes_is_left_alone(capsys):
    model = sequential(layers.Dense(6), layers.Reshape((3, 2)), layers.Softmax(), layers.Flatten())
    network = keras_network(model)
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(network.logits(X), model(X), rtol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_number_is_the_logit_of_two_classes(capsys, activation):
    # known weights: numbers near 0 would have few digits in common
    model = with_large_weights(sequential(layers.Dense(1, activation)))
    logit = with_large_weights(sequential(layers.Dense(1)))
    network = keras_network(model)
    assert network.num_labels == 2
    z = logit(X).numpy()
    np.testing.assert_allclose(network.logits(X), np.hstack([0 * z, z]), rtol=1e-5)
    assert "taken as the logit of class 1 of two classes" in capsys.readouterr().err


def test_a_softmax_of_one_number_is_refused():
    with pytest.raises(ValueError, match="a softmax of one number, which is always 1"):
        keras_network(sequential(layers.Dense(1, "softmax")))


def test_logarithms_of_probabilities_have_the_margins_of_logits():
    """Of two softmaxes' average, which has no logits; then of one, which has."""
    rows = [layers.Dense(5, "softmax") for _ in range(2)]
    images = keras.Input((6, 6, 1))
    mean = keras.Model(images, layers.Average()([row(layers.Flatten()(images)) for row in rows]))
    network = keras_network(mean, probabilities=True)
    np.testing.assert_allclose(network.logits(X), np.log(mean(X)), rtol=1e-5)
    assert not network.is_piecewise_linear()

    mild = sequential(layers.Dense(5, "softmax"))
    logits = sequential(layers.Dense(5))
    logits.set_weights(mild.get_weights())
    found, expected = keras_network(mild, probabilities=True), keras_network(logits)
    np.testing.assert_allclose(found.logits(X) @ TARGETS.T, logits(X) @ TARGETS.T, atol=1e-5)
    np.testing.assert_allclose(
        found.gradient_maxima(X, TARGETS).largest,
        expected.gradient_maxima(X, TARGETS).largest,
        rtol=1e-4,
    )


def test_one_probability_is_that_of_class_1():
    model = sequential(layers.Dense(1, "sigmoid"))
    p = model(X).numpy()
    found = keras_network(model, probabilities=True).logits(X)
    np.testing.assert_allclose(found, np.log(np.hstack([1 - p, p])), rtol=1e-5)
