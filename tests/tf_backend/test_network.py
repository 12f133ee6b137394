"""Keras models and functions of tensors as networks: types, shapes, and what cannot be used."""

import numpy as np
import pytest

from lipschitz.network import margin_weights
from lipschitz.support.errors import InputError, RunError
from lipschitz.tf_backend.network import TensorFlowNetwork, keras_network
from lipschitz.tf_backend.runtime import keras, tf

layers = keras.layers
POLICIES = ["float16", "float64", "bfloat16", "mixed_float16", "mixed_bfloat16"]
PRECISION = {"float16": 1e-2, "float64": 1e-5, "bfloat16": 1e-1}
(WEIGHTS,) = margin_weights(3, 0, [2])


def dense(shape, *between, dtype=None, **of_input):
    keras.utils.set_random_seed(1)
    x = images = keras.Input(shape, **of_input)
    for layer in between:
        x = layer(x)
    x = layers.Dense(3, dtype=dtype)(layers.Flatten(dtype=dtype)(x))
    return keras.Model(images, x)


def named(function):
    """A layer called `mine` of a function of tensors."""

    class Mine(layers.Layer):
        def call(self, x):
            return function(x)

    return Mine(name="mine")


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.dense = layers.Flatten(), layers.Dense(3)

    def call(self, x):
        return self.dense(self.flatten(x))


@pytest.mark.parametrize("policy", POLICIES)
def test_models_of_any_float_type_are_measured_in_float32(policy):
    """Of tanh layers in float32 with the same weights, but for rounding."""
    model, plain = (
        dense((5,), layers.Dense(4, "tanh", dtype=dtype), dtype=dtype)
        for dtype in (policy, "float32")
    )
    model.set_weights(plain.get_weights())
    found, exact = keras_network(model), keras_network(plain)
    x = np.random.default_rng(2).uniform(-1, 1, (6, 5)).astype(np.float32)
    every, v = np.arange(6), np.ones((6, 5), np.float32)
    for ours, expected in [
        [each.logits(x) for each in (found, exact)],
        [each.gradients(x, np.tile(WEIGHTS, (6, 1))).of_margins for each in (found, exact)],
        [each.gradient_maxima(x, WEIGHTS[None], True).largest for each in (found, exact)],
        [each.hessian_products(x, WEIGHTS)(every, v) for each in (found, exact)],
    ]:
        assert ours.dtype == np.float32
        error = PRECISION[policy.removeprefix("mixed_")] * np.abs(expected).max()
        np.testing.assert_allclose(ours, expected, atol=error)


def test_a_relu_network_in_half_precision_is_piecewise_linear():
    model = dense((5,), layers.Dense(4, "relu", dtype="float16"), dtype="float16")
    assert keras_network(model).is_piecewise_linear()


def test_a_function_may_give_logits_in_double_precision():
    network = TensorFlowNetwork(lambda x: 2 * tf.cast(x, tf.float64), (2,), 2)
    found = network.gradient_maxima(np.zeros((4, 2)), margin_weights(2, 0, [1]))
    np.testing.assert_allclose(found.largest, [[8**0.5, 4, 2]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, int])
def test_images_may_have_another_type(dtype):
    network = keras_network(dense((2, 3, 1)))
    images = np.ones((2, 2, 3, 1), dtype)
    found = network.logits(images)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, network.logits(np.float32(images)))


SHAPED = {
    "an image without a channel": (lambda: dense((4, 5)), None, (4, 5)),
    "a table": (lambda: dense((7,)), None, (7,)),
    "a volume": (lambda: dense((2, 3, 4, 1)), None, (2, 3, 4, 1)),
    "a number": (lambda: dense(()), None, ()),
    "a subclass": (Subclass, (4, 5), (4, 5)),
    "a sequential model without an input": (
        lambda: keras.Sequential([layers.Flatten(), layers.Dense(3)]),
        (4, 5, 1),
        (4, 5, 1),
    ),
    "open sizes": (
        lambda: dense((None, None, 2), layers.GlobalAveragePooling2D()),
        (4, 5, 2),
        (4, 5, 2),
    ),
    "a batch that is fixed in name": (lambda: dense((4,), batch_size=1), None, (4,)),
    "a list of one input": (
        lambda: keras.Model([image := keras.Input((4,))], [layers.Dense(3)(image)]),
        None,
        (4,),
    ),
}


@pytest.mark.parametrize(("make", "given", "expected"), SHAPED.values(), ids=SHAPED)
def test_linear_models_of_any_shape_against_their_weights(make, given, expected):
    model = make()
    network = keras_network(model, input_shape=given)
    assert (network.input_shape, network.num_labels) == (expected, 3)
    x = np.zeros((3, *expected), np.float32)
    found = network.gradient_maxima(x, WEIGHTS[None]).largest
    gradient = model.get_weights()[-2] @ WEIGHTS
    pixels = x[0].size // len(gradient)  # that share a weight, for it is that of their average
    gradient = np.tile(gradient / pixels, pixels)
    norms = [np.linalg.norm(gradient, order) for order in (2, 1, np.inf)]
    np.testing.assert_allclose(found, [norms], rtol=1e-5)


def two_inputs():
    inputs = {name: keras.Input((4,), name=name) for name in ("left", "right")}
    return keras.Model(inputs, layers.Dense(3)(inputs["left"] + inputs["right"]))


def outputs(make):
    images = keras.Input((4,))
    return keras.Model(images, make(images))


def of_a_fixed_batch():
    images = keras.Input((4,), batch_size=2)
    return keras.Model(images, keras.ops.reshape(layers.Dense(3)(images), (2, 3)))


UNUSABLE = {
    "open sizes": (
        lambda: dense((None, None, 2), layers.GlobalAveragePooling2D()),
        r"open, \(None, None, 2\), .* or give input_shape to keras_network",
    ),
    "a subclass": (Subclass, r"\(Subclass\) does not know the shape of its input: give input_sh"),
    "not built": (lambda: keras.Sequential([layers.Dense(3)]), "give input_shape"),
    "two inputs": (two_inputs, r"has 2 inputs \(left, right\)"),
    "two outputs": (lambda: outputs(lambda x: [x, x]), r"a list of outputs \(2\)"),
    "named outputs": (lambda: outputs(lambda x: {"a": x, "b": x}), r"a dict of outputs \(a, b\)"),
    "a class": (
        lambda: outputs(lambda x: keras.ops.argmax(x, axis=1, keepdims=True)),
        r"gives int\w+ of shape \(2, 1\); needed are logits, floats of shape \(2, classes\)",
    ),
    "logits for each step": (
        lambda: keras.Sequential([keras.Input((5, 2)), layers.Dense(3)]),
        r"float32 of shape \(2, 5, 3\); needed are logits",
    ),
    "tokens": (
        lambda: keras.Sequential(
            [keras.Input((7,), dtype="int32"), layers.Embedding(5, 2), layers.Flatten()]
        ),
        "takes int32: only inputs of floats have gradients",
    ),
    "a fixed batch": (of_a_fixed_batch, "a fixed batch of 2: build it with keras.Input"),
}


@pytest.mark.parametrize(("make", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_models_that_cannot_be_used_are_told_in_a_line(make, message):
    with pytest.raises(ValueError, match=message) as raised:
        keras_network(make())
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("given", [(4, 5, 3), (4, 5), (4, 5, 2, 1)])
def test_a_shape_that_the_model_does_not_take_is_told(given):
    model = dense((None, None, 2), layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match=r"takes inputs \(None, None, 2\), not \(4, 5"):
        keras_network(model, input_shape=given)


def test_layers_that_do_not_fit_are_told_in_a_line():
    """Not where it happened, which is all that Keras's first line has."""
    model = keras.Sequential([layers.Conv2D(2, 5), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(InputError, match=r"cannot be computed: .*size") as raised:
        keras_network(model, input_shape=(3, 3, 1))
    assert len(str(raised.value).splitlines()) == 1


STOPS = {
    "Round": tf.round,
    "StopGradient": tf.stop_gradient,
    "Cast": lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32),
    "OneHot": lambda x: tf.one_hot(tf.argmax(x, axis=1), 4),
}
ASKED = {
    "maxima": lambda network, x: network.gradient_maxima(x, WEIGHTS[None]),
    "gradients": lambda network, x: network.gradients(x, np.tile(WEIGHTS, (len(x), 1))),
    "products": lambda network, x: network.hessian_products(x, WEIGHTS),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(("kind", "stop"), STOPS.items(), ids=STOPS)
def test_what_stops_the_gradient_is_named_with_its_layer(kind, stop, ask):
    model = dense((5,), layers.Dense(4, "tanh"), named(stop), layers.Dense(4, "tanh"))
    with pytest.raises(InputError, match=rf"none passes through \S+/mine\w*/\w+ \({kind}\)$"):
        ask(keras_network(model), np.zeros((4, 5), np.float32))


def test_logits_that_do_not_depend_on_the_input_are_told():
    network = TensorFlowNetwork(lambda x: tf.zeros((tf.shape(x)[0], 3)), (5,), 3)
    with pytest.raises(InputError, match="logits do not depend on its input"):
        network.gradient_maxima(np.zeros((4, 5), np.float32), WEIGHTS[None])


def test_an_operation_without_a_second_derivative_is_named():
    network = keras_network(dense((5,), layers.Dense(4, "softsign")))
    x = np.zeros((4, 5), np.float32)
    assert network.gradient_maxima(x, WEIGHTS[None]).largest.all()
    with pytest.raises(InputError, match="no derivative of SoftsignGrad, which this network needs"):
        network.hessian_products(x, WEIGHTS)


FUNCTIONS = {
    "StopGradient": lambda x: tf.tanh(x[:, 0, :, 0] / tf.nn.moments(x[:, 0], -1)[1]),
    "ResizeBilinear": lambda x: tf.tanh(tf.image.resize(x, (5, 3)))[:, 0, :, 0],
}


@pytest.mark.parametrize(("kind", "function"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_second_derivatives_that_would_be_wrong_in_a_function_are_refused(kind, function):
    network = TensorFlowNetwork(tf.function(function), (4, 3, 2), 3)
    x = np.random.default_rng(5).uniform(-1, 1, (2, 4, 3, 2)).astype(np.float32)
    assert network.gradient_maxima(x, WEIGHTS[None]).largest.all()
    with pytest.raises(InputError, match=f"second derivatives of {kind} in a tf.function"):
        network.hessian_products(x, WEIGHTS)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_operation_without_any_derivative_is_named(ask):
    model = dense((5,), layers.CategoryEncoding(4, output_mode="multi_hot"))
    with pytest.raises(InputError, match=r"no derivative of \w*Bincount, which this network needs"):
        ask(keras_network(model), np.zeros((4, 5), np.float32))


def test_a_failure_while_it_computes_is_a_line():
    network = TensorFlowNetwork(
        lambda x: tf.gather(x, tf.cast(x[0] + 7, tf.int32), axis=1)[:, :3], (5,), 3
    )
    with pytest.raises(RunError, match=r"cannot be computed: \w+\[0\] = 7") as raised:
        network.gradient_maxima(np.zeros((4, 5), np.float32), WEIGHTS[None])
    assert len(str(raised.value).splitlines()) == 1


def test_a_rerun_is_the_same_to_the_bit():
    """Of sums over many threads: a gather adds the gradients of equal places."""
    places = np.random.default_rng(3).integers(0, 5, 4000)
    network = keras_network(dense((5,), named(lambda x: tf.gather(x, places, axis=1) ** 2)))
    x = np.random.default_rng(4).uniform(-1, 1, (300, 5)).astype(np.float32)
    first, second = (network.gradient_maxima(x, WEIGHTS[None], True).largest for _ in range(2))
    np.testing.assert_array_equal(first, second)
