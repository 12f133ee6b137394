"""HDF5 files that describe their own layers: read only if those are the ones of their name."""

import json

import h5py
import numpy as np
import pytest

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS, bounded_relu, sharp_softplus
from lipschitz.builtin.architectures import mlp, seven_layer, two_layer
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import hdf5
from lipschitz.tf_backend.runtime import keras

SIZE, UNITS = 32, 6
X = np.random.default_rng(0).uniform(-0.5, 0.5, (3, SIZE, SIZE, 1)).astype(np.float32)
layers = keras.layers
Dense, Flatten, ReLU = layers.Dense, layers.Flatten, layers.ReLU


@pytest.fixture(autouse=True)
def files_of_the_test_are_trusted(monkeypatch):
    """They are not tried in a process of their own, which takes most of the time."""
    monkeypatch.setattr(hdf5, "check", lambda content: None)


def build(activation="relu"):
    return mlp(SIZE, 1, [UNITS], ACTIVATIONS[activation])


def build_cnn(activation="relu"):
    return seven_layer(SIZE, 1, (2, 2, 3, 3, UNITS, UNITS), ACTIVATIONS[activation])


def sequential(*of, shape=(SIZE, SIZE, 1)):
    return keras.Sequential([layers.Input(shape), *of])


def cnn(second=None, pooling=layers.MaxPooling2D, activation="relu"):
    """The 7-layer CNN as it was trained in 2018: pooling after activations."""
    return sequential(
        layers.Conv2D(2, 3, activation=activation),
        layers.Conv2D(2, 3, activation=activation, **(second or {})),
        pooling(2),
        layers.Conv2D(3, 3),
        layers.Activation(activation),
        layers.Conv2D(3, 3, activation=activation),
        pooling(2),
        Flatten(),
        Dense(UNITS, activation=activation),
        layers.Dropout(0.5),
        Dense(UNITS, activation=activation),
        Dense(10),
    )


def write(path, model):
    """Save a model as HDF5, under a name without an ending."""
    model.save(path.with_suffix(".h5"))
    return path.with_suffix(".h5").rename(path)


@pytest.fixture
def path(tmp_path):
    """The file of a name."""
    return tmp_path / "digits_2layer_relu_6_x"


def loaded(path, model, build=build):
    return model_file.load(write(path, model), build)


def refusal(path, model, build=build):
    """What is said of a model, up to what to do."""
    with pytest.raises(InputError) as error:
        loaded(path, model, build)
    start, _, rest = str(error.value).partition("; save it with ")
    assert rest == f'model.save("{path}.keras"), which is read with its own layers'
    assert start.startswith(f"{path} holds another network: ")
    return start.partition(": ")[2]


def test_another_activation_is_refused_by_name(path):
    tanh = sequential(Flatten(), Dense(UNITS, activation="tanh", name="hidden"), Dense(10))
    said = "its 'hidden' has activation tanh, this name stands for activation relu"
    assert refusal(path, tanh) == said
    relu = sequential(Flatten(), Dense(UNITS, activation="relu"), Dense(10))
    relu.set_weights(tanh.get_weights())
    np.testing.assert_array_equal(loaded(path, relu)(X), relu(X))
    assert not np.allclose(tanh(X), relu(X))


def functional():
    x = images = keras.Input((SIZE, SIZE, 1))
    inner = keras.Sequential([layers.Input((SIZE * SIZE,)), Dense(UNITS)])
    x = keras.ops.relu(inner(layers.Dropout(0.5)(Flatten()(x))))
    return keras.Model(images, Dense(10)(x))


@pytest.mark.parametrize(
    "model",
    [
        lambda: sequential(Flatten(), Dense(UNITS), ReLU(), Dense(10)),
        lambda: sequential(Flatten(), Dense(UNITS), layers.Activation(ReLU()), Dense(10)),
        lambda: sequential(Flatten(), Dense(UNITS, activation=ReLU()), Dense(10)),
        lambda: sequential(layers.Rescaling(1.0), Flatten(), Dense(UNITS, "relu"), Dense(10)),
        lambda: sequential(Dense(UNITS, "relu"), Dense(10), shape=(SIZE * SIZE,)),
        lambda: sequential(layers.Reshape((SIZE * SIZE,)), Dense(UNITS, "relu"), Dense(10)),
        functional,
        build,
    ],
)
def test_the_same_function_in_other_layers_is_read(path, model):
    model = model()
    found = loaded(path, model)(X)
    images = X.reshape(3, *model.input_shape[1:])
    np.testing.assert_array_equal(found, model(images, training=False))


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_a_cnn_that_pools_after_its_activations_is_read(path, activation):
    model = cnn(activation=activation)
    found = loaded(path, model, lambda: build_cnn(activation))
    np.testing.assert_allclose(found(X), model(X), atol=1e-6)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"strides": 2}, "has strides (2, 2), this name stands for strides (1, 1)"),
        ({"padding": "same"}, "has padding same, this name stands for padding valid"),
        ({"dilation_rate": 2}, "has dilation_rate (2, 2), this name stands for dilation_rate (1,"),
        ({"use_bias": False}, "has use_bias False, this name stands for use_bias True"),
    ],
)
def test_what_shapes_of_weights_do_not_tell_is_compared(path, second, said):
    told = refusal(path, cnn({"name": "second", **second}), build_cnn)
    assert said in told
    assert "its 'second'" in told


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: cnn(pooling=layers.AveragePooling2D), "is AveragePooling2D(), this name stands"),
        (
            lambda: sequential(Flatten(), Dense(UNITS, ReLU(6, name="x")), Dense(10)),
            "is ReLU(max_value=6), this name stands for the activation relu",
        ),
        (
            lambda: sequential(layers.Rescaling(2.0), Flatten(), Dense(UNITS, "relu"), Dense(10)),
            "is Rescaling(scale=2.0), this name stands for Dense(units=6)",
        ),
        (
            lambda: sequential(Flatten(), Dense(UNITS), layers.BatchNormalization(), Dense(10)),
            "is BatchNormalization(), this name stands for the activation relu",
        ),
        (lambda: sequential(Flatten(), Dense(7, "relu"), Dense(10)), "has units 7, this name st"),
        (lambda: sequential(Flatten(), Dense(6, "relu")), "it ends where this name stands for De"),
        (
            lambda: sequential(Flatten(), Dense(UNITS, "relu"), Dense(10, "tanh")),
            "is the activation tanh, where the network of this name ends",
        ),
        (
            lambda: sequential(Flatten(), Dense(UNITS, "relu"), Dense(10), shape=(16, 64, 1)),
            "takes images of the shape (16, 64, 1), this name stands for (32, 32, 1)",
        ),
    ],
)
def test_other_layers_are_refused_by_name(path, model, said):
    model = model()
    assert said in refusal(path, model, build_cnn if len(model.layers) > 9 else build)


def test_weights_of_bfloat16_are_refused(path):
    said = "its weights are of bfloat16, this name stands for float32"
    layer = Dense(UNITS, "relu", dtype="bfloat16")
    assert refusal(path, sequential(Flatten(), layer, Dense(10))) == said


def test_a_branch_is_refused(path):
    images = keras.Input((SIZE, SIZE, 1))
    x = Dense(UNITS, "relu")(Flatten()(images))
    model = keras.Model(images, Dense(10)(layers.Add(name="sum")([x, x])))
    assert "its layer 'sum' takes the results of 2 layers" in refusal(path, model)
    shared = Dense(UNITS, "relu", name="both")
    model = keras.Model(images, Dense(10)(shared(Dense(UNITS)(shared(Dense(UNITS)(x))))))
    assert "its layer 'both' takes the results of 2 layers" in refusal(path, model)


@pytest.mark.parametrize(
    "last", [lambda: [Dense(10, "softmax")], lambda: [Dense(10), layers.Softmax()]]
)
def test_a_softmax_at_the_end_is_left_out(path, last, capsys):
    model = sequential(Flatten(), Dense(UNITS, "relu"), *last())
    logits = loaded(path, model)(X)
    np.testing.assert_allclose(keras.ops.softmax(logits), model(X), rtol=1e-5)
    said = f"{path}: the softmax at its end is left out, its logits are scored\n"
    assert capsys.readouterr().err == said


def test_the_hard_sigmoid_of_keras_3_has_another_slope(path):
    own = sequential(Flatten(), Dense(UNITS, "hard_sigmoid"), Dense(10))
    said = "has activation hard_sigmoid of Keras 3 (x / 6 + 0.5, not 0.2 x + 0.5), this name"
    assert said in refusal(path, own, lambda: build("hard_sigmoid"))
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.2.4-tf"
    model_file.load(path, lambda: build("hard_sigmoid"))


def with_lambda(function):
    return sequential(Flatten(), Dense(UNITS), layers.Lambda(function), Dense(10))


def test_a_lambda_stands_only_where_2018_wrote_one(path, tmp_path):
    canary = tmp_path / "canary"

    def function(x):
        canary.touch()
        return keras.ops.arctan(x)

    model = with_lambda(function)
    write(path, model)
    canary.unlink()
    found = model_file.load(path, lambda: build("arctan"))
    brelu = model_file.load(path, lambda: mlp(SIZE, 1, [UNITS], bounded_relu))
    assert brelu(X).shape == (3, 10)
    with pytest.raises(InputError, match="is a Lambda, whose code is not run, this name stands"):
        model_file.load(path, build)
    assert not canary.exists()
    np.testing.assert_array_equal(found(X), model(X))


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("mnist", lambda: seven_layer(28, 1, (32, 32, 64, 64, 200, 200), ACTIVATIONS["relu"])),
        ("mnist_2layer", lambda: two_layer(28, 1)),
        (
            "mnist_cnn_7layer_tanh",
            lambda: seven_layer(28, 1, (32, 32, 64, 64, 200, 200), ACTIVATIONS["tanh"]),
        ),
    ],
)
def test_the_networks_of_2018_are_those_of_their_names(models_of_2018, name, build):
    assert model_file.load(models_of_2018 / name, build).output_shape == (None, 10)
    with pytest.raises(InputError, match=r"holds another network: its '.*' "):
        model_file.load(models_of_2018 / name, lambda: mlp(28, 1, [1024], ACTIVATIONS["elu"]))


KERAS_2 = [
    {"class_name": "Flatten", "config": {"batch_input_shape": [None, SIZE, SIZE, 1]}},
    {"class_name": "Dense", "config": {"units": UNITS, "activation": "bounded_relu"}},
    {"class_name": "Dense", "config": {"units": 10, "activation": "linear"}},
]


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": KERAS_2},
        {"class_name": "Sequential", "config": {"name": "x", "layers": KERAS_2}},
        {
            "class_name": "Model",
            "config": {
                "layers": [
                    layer
                    | {"name": str(number)}
                    | {"inbound_nodes": [[[str(number - 1), 0, 0, {}]]] if number else []}
                    for number, layer in enumerate(KERAS_2)
                ],
                "output_layers": [["2", 0, 0]],
            },
        },
    ],
)
def test_the_forms_of_keras_2_are_known(path, config):
    write(path, build())
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.1.6"
        file.attrs["model_config"] = json.dumps(config).encode()
    model_file.load(path, lambda: mlp(SIZE, 1, [UNITS], bounded_relu))
    with pytest.raises(InputError, match="has activation bounded_relu, this name stands for"):
        model_file.load(path, build)


@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), bounded_relu, sharp_softplus])
def test_every_activation_of_2018_is_read(path, activation):
    model = seven_layer(SIZE, 1, (2, 2, 3, 3, UNITS, UNITS), activation)
    found = loaded(
        path, model, lambda: seven_layer(SIZE, 1, (2, 2, 3, 3, UNITS, UNITS), activation)
    )
    np.testing.assert_array_equal(found(X), model(X))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu", "softplus", "hard_sigmoid", "atan"])
def test_every_activation_has_its_name_of_keras_2(path, name):
    write(path, build())
    dense = {"class_name": "Dense", "config": {"units": UNITS, "activation": "linear"}}
    activation = {"class_name": "Activation", "config": {"activation": name}}
    config = {"class_name": "Sequential", "config": [KERAS_2[0], dense, activation, KERAS_2[2]]}
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.1.6"
        file.attrs["model_config"] = json.dumps(config)
    model_file.load(path, lambda: build({"atan": "arctan"}.get(name, name)))
    with pytest.raises(InputError, match="this name stands for activation relu"):
        model_file.load(path, build)


def test_weights_alone_are_read(path):
    model = build()
    write(path, model)
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    np.testing.assert_array_equal(model_file.load(path, build)(X), model(X))
    with h5py.File(path) as file, h5py.File(path.with_suffix(".alone"), "w") as alone:
        for layer in file["model_weights"]:
            file.copy(f"model_weights/{layer}", alone)
        alone.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
    found = model_file.load(path.with_suffix(".alone"), build)
    np.testing.assert_array_equal(found(X), model(X))


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[]",
        "null",
        "[" * 5000,
        "1" * 5000,
        '{"class_name": "Sequential"}',
        '{"class_name": ["Sequential"], "config": []}',
        '{"class_name": "Sequential", "config": {"layers": 5}}',
        '{"class_name": "Functional", "config": {"layers": [], "output_layers": [["x", 0, 0]]}}',
        '{"class_name": "Sequential", "config": [{"class_name": "a\\nb", "config": {}}]}',
    ],
)
def test_what_is_no_description_is_one_line(path, config):
    write(path, build())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = config
    with pytest.raises(InputError, match=r"model_config cannot be read|another network") as error:
        model_file.load(path, build)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_a_description_of_absurd_size_is_refused(path, monkeypatch):
    monkeypatch.setattr("lipschitz.builtin.own_architecture.LARGEST", 100)
    with pytest.raises(InputError, match="its model_config cannot be read"):
        loaded(path, build())
