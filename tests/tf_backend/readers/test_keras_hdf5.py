"""Whole models in HDF5 files: those that Keras 3 writes, and what is no model."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.readers import hdf5, keras_file, keras_hdf5
from lipschitz.tf_backend.runtime import keras
from tests.fuzz.conftest import quick_trials  # noqa: F401

pytestmark = pytest.mark.usefixtures("quick_trials")
check = hdf5.check  # which says more
layers = keras.layers


def block():
    """A model to be used in another one, which is called more than once."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    return keras.Model(x, layers.BatchNormalization()(y))


def branches():
    """What layers alone do not say: operations, nested models and their calls."""
    images, inner = keras.Input((6, 6, 3)), block()
    scaled = (images[..., ::-1] - np.float32([1, 2, 3])) / 4.0
    chain = keras.Sequential([keras.Input((6, 6, 3)), layers.DepthwiseConv2D(3, padding="same")])
    sums = layers.Add()([inner(scaled), inner(chain(chain(scaled)))]) + scaled
    return keras.Model(images, layers.Dense(4)(layers.Flatten()(sums)))


def recurrent():
    return keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2, activation=layers.LeakyReLU(0.1))),
            layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(4)]),
        ]
    )


def normalized():
    """Normalization computes with a copy of its weights, in models in the model too."""
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(1).normal(2, 3, (50, 6, 6, 3)))
    inner = keras.Sequential([keras.Input((6, 6, 3)), layer])
    return keras.Sequential([keras.Input((6, 6, 3)), inner, layers.Flatten(), layers.Dense(4)])


def halves():
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, dtype="mixed_float16"),
            layers.Conv2D(4, 3, dtype="bfloat16"),
            layers.Flatten(),
            layers.Dense(4, dtype="float16"),
        ]
    )


def save(model, path):
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(0, 1, each.shape)) for each in model.get_weights()])
    model.save(path)
    return path


@pytest.mark.parametrize("build", [branches, recurrent, halves])
def test_a_model_of_keras_3_is_read(tmp_path, build):
    model = build()
    found = keras_hdf5.load(save(model, tmp_path / "net.h5"))
    x = np.random.default_rng(2).normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_array_equal(found(x), model(x))


def test_normalization_uses_the_weights_of_the_file(tmp_path):
    model = normalized()
    model.save(tmp_path / "net.h5")
    x = np.random.default_rng(2).normal(size=(3, 6, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(keras_hdf5.load(tmp_path / "net.h5")(x), model(x))


def test_a_model_is_the_same_network_in_both_formats(tmp_path):
    model = block()
    found = [
        load(save(keras.Sequential([model, layers.Flatten()]), tmp_path / name))
        for load, name in ((keras_hdf5.load, "net.h5"), (keras_file.load, "net.keras"))
    ]
    first, second = (keras_network(each).fingerprint for each in found)
    assert first == second


def test_how_a_model_was_trained_does_not_matter(tmp_path):
    def own(*arguments, **named):
        return keras.ops.ones((5, 3))

    dense = layers.Dense(3, kernel_initializer=own, kernel_regularizer=own, kernel_constraint=own)
    model = keras.Sequential([keras.Input((5,)), dense])
    model.compile("adam", own)
    found = keras_hdf5.load(save(model, tmp_path / "net.h5"))
    x = np.ones((2, 5), np.float32)
    np.testing.assert_array_equal(found(x), model(x))


class Own(keras.layers.Dense):
    """A layer of the user."""


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (layers.Lambda(lambda x: x / 255), "it names Lambda, .* use keras.layers.Rescaling"),
        (Own(3), "it names Own, .* build the model from Keras's own layers"),
    ],
)
def test_code_is_not_run(tmp_path, layer, said):
    path = save(keras.Sequential([keras.Input((5,)), layer]), tmp_path / "net.h5")
    with pytest.raises(ValueError, match=said):
        keras_hdf5.load(path)


@pytest.fixture
def file(tmp_path):
    """A file of two layers of the same shape, open to be changed; its path is `filename`."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="a")])
    model.add(layers.Dense(3, name="b"))
    model.add(layers.BatchNormalization(name="c"))
    with h5py.File(save(model, tmp_path / "net.h5"), "a") as file:
        yield file


def refused(file, said):
    file.flush()
    with pytest.raises(ValueError, match=said) as error:
        keras_hdf5.load(file.filename)
    assert len(str(error.value).splitlines()) == 1


def reconfigure(file, **entries):
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][2]["config"] |= entries
    file.attrs["model_config"] = json.dumps(config)


def test_names_in_several_attributes_are_read(file):
    attributes = file["model_weights"].attrs
    names = attributes.pop("layer_names")
    attributes["layer_names0"], attributes["layer_names1"] = names[:1], names[1:]
    file.flush()
    assert len(keras_hdf5.load(file.filename).get_weights()) == 8


def test_weights_alone_are_told(file):
    del file.attrs["model_config"]
    refused(file, r'holds weights alone: save the whole model with model.save\("NAME.keras"\)')


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"units": 2**19}, r"its layers need \d+ B of weights, it holds \d+ B"),
        ({"units": 2**40}, "its units is 1.1e\\+12"),
        ({"units": 4}, r"its layer 'b' needs kernel of \(3, 4\), it holds kernel of \(3, 3\)"),
        ({"name": "z"}, "it holds no weights of its layer 'z'"),
        ({"use_bias": False}, "its layer 'b' needs 1 weights, it holds 2"),
        ({"activation": {"value": ["4wEAAA==", None, None]}}, "its b has an activation of its own"),
        ({"slope": 3}, "Unrecognized keyword arguments passed to Dense: {'slope': 3}"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(file, entries, said):
    reconfigure(file, **entries)
    refused(file, said)


def test_weights_in_another_order_are_refused(file):
    attributes = file["model_weights/c"].attrs
    attributes["weight_names"] = attributes["weight_names"][::-1]
    refused(file, "its layer 'c' needs gamma of .*, it holds moving_variance of")


def test_a_configuration_of_absurd_length_is_not_parsed(file):
    file.attrs["model_config"] = " " * (2**22 + 1)
    refused(file, "its configuration has more than 4194304 B")


@pytest.mark.parametrize("described", ["", "[]", "{}", "3", '{"class_name": "Dense"}', "[" * 9999])
def test_what_is_no_configuration_is_refused(file, described):
    file.attrs["model_config"] = described
    refused(file, ".")


def test_kernels_of_theano_are_refused(file):
    file.attrs["keras_version"], file.attrs["backend"] = "2.2.4", "theano"
    refused(file, "Theano wrote it")


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_is_no_hdf5_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.setattr(hdf5, "check", check)
    path = tmp_path / "net.h5"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="signature"):
        keras_hdf5.load(path)


def test_the_users_settings_of_keras_change_nothing(tmp_path):
    path = save(keras.Sequential([keras.Input((6, 6, 3)), block()]), tmp_path / "net.h5")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert keras_hdf5.load(path).layers[0].compute_dtype == "float32"
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
