"""Which networks have a Hessian that is zero."""

import numpy as np
import pytest

from lipschitz.builtin.activations import ACTIVATIONS, bounded_relu
from lipschitz.builtin.architectures import mlp, seven_layer, two_layer
from lipschitz.tf_backend.network import TensorFlowNetwork, keras_network
from lipschitz.tf_backend.readers import frozen_graph
from lipschitz.tf_backend.readers.preprocessing import doubled
from lipschitz.tf_backend.runtime import keras, tf

BENT = ("relu", "hard_sigmoid")


def judged(model):
    return keras_network(model).is_piecewise_linear()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_networks_are_judged_by_their_activation(name):
    assert judged(mlp(4, 1, [3], ACTIVATIONS[name])) == (name in BENT)


def test_convolutions_and_poolings_bend_nothing():
    assert judged(seven_layer(28, 1, (2, 2, 2, 2, 4, 4), bounded_relu))
    assert not judged(seven_layer(28, 1, (2, 2, 2, 2, 4, 4), ACTIVATIONS["tanh"]))


def test_the_2_layer_network_is_curved():
    assert not judged(two_layer(4, 1))


@pytest.mark.parametrize("name", ["MobileNet", pytest.param("ResNet50V2", marks=pytest.mark.slow)])
def test_deep_relu_networks_are_piecewise_linear(name):
    build = getattr(keras.applications, name)
    settings = {"alpha": 0.25} if name == "MobileNet" else {}
    assert judged(
        build(weights=None, classifier_activation=None, input_shape=(32, 32, 3), **settings)
    )


@pytest.mark.parametrize(("bend", "expected"), [(tf.nn.relu, True), (tf.tanh, False)])
def test_frozen_graphs_are_judged_by_their_operations(tmp_path, bend, expected):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, 4, 4, 3), "input")
        kernel = np.ones((3, 3, 3, 5), np.float32)
        hidden = bend(tf.nn.conv2d(x, kernel, 1, "VALID") / 7)
        tf.tanh(tf.reduce_mean(hidden, (1, 2), name="logits"), name="after_the_logits")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    network = frozen_graph.load(tmp_path / "net.pb", 4, 5, "input:0", "logits:0", "", doubled)
    assert network.is_piecewise_linear() == expected


def test_a_bent_line_made_of_absolute_values_is_piecewise_linear():
    """As TensorFlow 1 layers wrote a parametric ReLU."""
    x = keras.Input((4, 4, 1))
    h = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    assert judged(keras.Model(x, keras.ops.relu(h) + 0.125 * (h - keras.ops.abs(h))))


@pytest.mark.parametrize(("bend", "expected"), [(tf.nn.relu, True), (tf.tanh, False)])
def test_a_function_of_ones_own_is_judged_by_a_call(bend, expected):
    network = TensorFlowNetwork(lambda x: bend(x[:, 0, :3, 0]), (4, 4, 1), 3)
    assert network.is_piecewise_linear() == expected


def test_a_product_of_two_linear_maps_is_curved():
    images = keras.Input((4, 4, 1))
    flat = keras.layers.Flatten()(images)
    product = keras.layers.Dense(3)(flat) * keras.layers.Dense(3)(flat)
    assert not judged(keras.Model(images, product))
