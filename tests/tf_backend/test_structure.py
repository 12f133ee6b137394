"""A model's structure is that of what it computes, whatever Keras calls its layers."""

import json

import pytest

from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import mlp, seven_layer, two_layer
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras
from lipschitz.tf_backend.structure import structure

layers = keras.layers


def residual(skip=1, end=()):
    """Two dense layers; the output of layer `skip` is added to theirs."""
    x = images = keras.Input((4,))
    outputs = [x]
    for _ in range(2):
        outputs.append(layers.Dense(4, "tanh")(outputs[-1]))
    x = layers.Add()([outputs[skip], outputs[2]])
    for layer in end:
        x = layer(x)
    return keras.Model(images, x)


MODELS = {
    "2-layer": lambda: two_layer(4, 1),
    "operations": lambda: mlp(4, 1, [3], ACTIVATIONS["arctan"]),
    "cnn with dropout": lambda: seven_layer(28, 1, (2, 2, 2, 2, 4, 4), ACTIVATIONS["relu"]),
    "branches": residual,
    "sequential": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, "tanh")]),
    "nested": lambda: keras.Sequential([keras.Input((4,)), residual(), layers.Dense(3)]),
    "recurrent": lambda: keras.Sequential([keras.Input((4, 2)), layers.GRU(3), layers.Dense(3)]),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_model_that_is_built_again_has_the_same_structure(build):
    """Its layers have other names then, for Keras numbers them through."""
    first, second = build(), build()
    assert [each.name for each in first.layers] != [each.name for each in second.layers]
    assert structure(first) == structure(second)
    json.dumps(structure(first))


def test_a_model_that_is_saved_and_loaded_has_the_same_structure(tmp_path):
    model = seven_layer(28, 1, (2, 2, 2, 2, 4, 4), ACTIVATIONS["arctan"])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert structure(again) == structure(model)
    assert keras_network(again).fingerprint == keras_network(model).fingerprint


def test_settings_that_a_later_keras_adds_change_nothing(monkeypatch):
    """They stand in every configuration then, with their defaults, as these of today do."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    before, config = structure(model), model.get_config()
    for layer in config["layers"]:
        layer["config"] |= {"sparse": False, "to_come": None, "renorm": False}
        for known in ("epsilon", "use_bias", "optional"):
            layer["config"].pop(known, None)
    monkeypatch.setattr(model, "get_config", lambda: config)
    assert structure(model) == before


def test_a_layer_without_a_bias_differs():
    with_bias = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    without = keras.Sequential([keras.Input((4,)), layers.Dense(3, use_bias=False)])
    assert structure(with_bias) != structure(without)


def test_a_layer_without_a_configuration_has_a_structure():
    class Plain(layers.Layer):
        def get_config(self):
            return {}

        def call(self, x):
            return x

    assert structure(keras.Sequential([keras.Input((4,)), Plain()]))


@pytest.mark.parametrize(
    ("model", "other"),
    [
        (lambda: mlp(4, 1, [3], ACTIVATIONS["relu"]), lambda: mlp(4, 1, [3], ACTIVATIONS["tanh"])),
        (
            lambda: mlp(4, 1, [3], ACTIVATIONS["arctan"]),
            lambda: mlp(4, 1, [3], ACTIVATIONS["softplus"]),
        ),
        (lambda: residual(skip=1), lambda: residual(skip=0)),
        (residual, lambda: residual(end=[layers.Softmax()])),
        (
            lambda: residual(end=[layers.Rescaling(2.0)]),
            lambda: residual(end=[layers.Rescaling(3.0)]),
        ),
    ],
    ids=["relu or tanh", "operation or layer", "another wiring", "softmax", "another constant"],
)
def test_models_of_the_same_weights_that_compute_something_else_differ(model, other):
    model, other = model(), other()
    other.set_weights(model.get_weights())
    assert structure(model) != structure(other)
    ours, theirs = (keras_network(each).fingerprint.split("-") for each in (model, other))
    assert ours[0] == theirs[0]
    assert ours[1] != theirs[1]


def test_how_a_model_was_made_and_trained_is_no_part_of_it():
    def build(dropout_seed, **settings):
        return keras.Sequential(
            [keras.Input((4,)), layers.Dense(3, **settings), layers.Dropout(0.5, seed=dropout_seed)]
        )

    plain = build(1)
    other = build(
        2,
        kernel_initializer=keras.initializers.HeNormal(seed=3),
        bias_initializer="ones",
        kernel_regularizer="l2",
    )
    other.compile("adam", "mse")
    assert structure(plain) == structure(other)


def test_a_subclass_is_told_by_its_class():
    class Mine(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = layers.Dense(units)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            raise NotImplementedError

    assert structure(Mine(3)) == "Mine"
