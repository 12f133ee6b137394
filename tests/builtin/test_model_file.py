"""Networks on disk, in the current Keras format and in that of 2018."""

import json
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import seven_layer, two_layer
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import keras
from tests.helpers import ROOT, peak_memory

X = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 28, 28, 1)).astype(np.float32)


def build_two_layer():
    return two_layer(28, 1)


def build_seven_layer():
    return seven_layer(28, 1, (32, 32, 64, 64, 200, 200), ACTIVATIONS["relu"])


def write_hdf5(path, weights):
    """A file as the old Keras wrote it: layers by name, one of them without weights."""
    with h5py.File(path, "w") as file:
        layers = file.create_group("model_weights")
        layers.attrs["layer_names"] = [b"dense", b"activation", b"dense_1"]
        layers.create_group("activation").attrs["weight_names"] = []
        for layer, (kernel, bias) in {"dense": weights[:2], "dense_1": weights[2:]}.items():
            group = layers.create_group(layer)
            names = [f"{layer}/kernel:0".encode(), f"{layer}/bias:0".encode()]
            group.attrs["weight_names"] = names
            group[names[0]], group[names[1]] = kernel, bias


@pytest.mark.parametrize("build", [build_two_layer, build_seven_layer])
def test_a_saved_model_gives_the_same_logits(tmp_path, build):
    model = build()
    path = tmp_path / "models" / "net.keras"
    model_file.save(model, path)
    assert [each.name for each in path.parent.iterdir()] == ["net.keras"]
    np.testing.assert_array_equal(model_file.load(path, build)(X), model(X))


@pytest.mark.slow
def test_a_saved_model_loads_without_this_toolkit(tmp_path):
    model_file.save(build_two_layer(), tmp_path / "net.keras")
    code = (
        "import sys, keras; keras.saving.load_model('net.keras'); "
        "assert not any(name.startswith('lipschitz') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_weights_of_2018_are_read_in_the_order_of_the_layers(tmp_path):
    rng = np.random.default_rng(1)
    w1, b1 = rng.normal(0, 0.05, (784, 1024)), rng.normal(0, 0.1, 1024)
    w2, b2 = rng.normal(0, 0.05, (1024, 10)), rng.normal(0, 0.1, 10)
    write_hdf5(tmp_path / "mnist_2layer", [w1, b1, w2, b2])
    expected = np.logaddexp(0, 10 * (X.reshape(5, -1) @ w1 + b1)) / 10 @ w2 + b2
    model = model_file.load(tmp_path / "mnist_2layer", build_two_layer)
    np.testing.assert_allclose(model(X), expected, atol=1e-4)


def test_a_real_model_of_2018_loads(models_of_2018):
    model = model_file.load(models_of_2018 / "mnist", build_seven_layer)
    assert model(X).shape == (5, 10)


def test_the_current_format_is_preferred(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_file.find("mnist") is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mnist").touch()
    assert str(model_file.find("mnist")) == "models/mnist"
    (tmp_path / "models" / "mnist.keras").touch()
    assert str(model_file.find("mnist")) == "models/mnist.keras"


@pytest.mark.parametrize("name", ["net", "net.keras"])
@pytest.mark.parametrize("content", [b"", b"not a model" * 100])
def test_a_file_that_is_no_model_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"net.* is (not a|damaged)"):
        model_file.load(tmp_path / name, build_two_layer)


def test_a_model_with_a_flipped_byte_is_named(tmp_path):
    model_file.save(build_two_layer(), tmp_path / "net.keras")
    content = bytearray((tmp_path / "net.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(InputError, match=r"net.keras is not a Keras model: .*CRC"):
        model_file.load(tmp_path / "net.keras", build_two_layer)


def test_the_model_of_another_network_is_named(tmp_path, models_of_2018):
    with pytest.raises(InputError, match="holds another network"):
        model_file.load(models_of_2018 / "mnist", build_two_layer)
    model_file.save(two_layer(32, 3), tmp_path / "net.keras")
    with pytest.raises(InputError, match=r"shape \(32, 32, 3\), this data set has \(28, 28, 1\)$"):
        model_file.load(tmp_path / "net.keras", build_two_layer)


def test_names_import_without_tensorflow():
    code = "import sys, catalogue; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def refused(path, said):
    with pytest.raises(InputError, match=said) as error:
        model_file.load(path, build_two_layer)
    assert "\n" not in str(error.value)


def rewrite(path, change):
    """Save the network with its config, weights and other members changed."""
    model_file.save(build_two_layer(), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config, members)
    members.setdefault("config.json", b"")
    if members["config.json"]:
        members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def dense(config):
    """The last layer."""
    return config["config"]["layers"][-1]


def test_a_model_that_carries_code_is_not_run(tmp_path):
    canary = tmp_path / "canary"
    images = keras.Input((28, 28, 1))
    code = f"lambda x: (open({str(canary)!r}, 'w'), x)[1]"
    x = keras.layers.Lambda(eval(code))(images)  # noqa: S307 -- the attack itself
    keras.Model(images, keras.layers.Dense(10)(keras.layers.Flatten()(x))).save(
        tmp_path / "net.keras"
    )
    canary.unlink(missing_ok=True)
    refused(tmp_path / "net.keras", "keras.layers.Lambda, .* use keras.layers.Rescaling to scale")
    assert not canary.exists()


@pytest.mark.parametrize(
    "activation",
    [
        {"module": "os", "class_name": "function", "config": "system"},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "os", "class_name": "system", "config": {"command": "touch canary"}},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch canary"}},
        {
            "module": "keras.utils",
            "class_name": "get_file",
            "config": {"fname": "canary", "origin": "file:///etc/hostname"},
        },
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
        {"module": "keras.src.saving.saving_api", "class_name": "load_model", "config": {}},
        {"module": "keras.src.ops.operation", "class_name": "KerasSaveable", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "canary"}},
        {"class_name": "__lambda__", "config": {"value": "touch canary"}},
        {"class_name": "__typespec__", "config": []},
        {"class_name": "__numpy__", "config": {"value": [0], "dtype": "V999999999"}},
        {"class_name": ["Dense"], "module": "keras.layers", "config": {}},
    ],
)
def test_a_model_that_names_what_is_no_layer_is_not_run(tmp_path, monkeypatch, activation):
    monkeypatch.chdir(tmp_path)
    rewrite(
        tmp_path / "net.keras",
        lambda config, _: dense(config)["config"].update(
            activation=activation | {"registered_name": None}
        ),
    )
    refused(tmp_path / "net.keras", "is not a Keras model: it names .* not among Keras's layers")
    assert [path.name for path in tmp_path.iterdir()] == ["net.keras"]


def test_how_a_model_was_compiled_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = {"fname": "canary", "origin": "file:///etc/hostname"}
    code = {"module": "keras.utils", "class_name": "get_file", "config": file}
    rewrite(tmp_path / "net.keras", lambda config, _: config.update(compile_config={"loss": code}))
    assert model_file.load(tmp_path / "net.keras", build_two_layer)(X).shape == (5, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["net.keras"]


def compute_on_reading(config, _):
    node = {"args": [[1.0]], "kwargs": {}}
    config["config"]["layers"].append(
        {
            "module": "keras.src.ops.numpy",
            "class_name": "BroadcastTo",
            "config": {"shape": [2**20, 2**20]},
            "name": "ones",
            "registered_name": "BroadcastTo",
            "inbound_nodes": [node],
        }
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config, _: dense(config)["config"].update(units=2**62), "its units is 4.61e"),
        (lambda config, _: dense(config)["config"].update(units=2**20), "need 43.* B of weights"),
        (compute_on_reading, "its ones takes no other layer's output"),
        (lambda _, members: members.update({"../evil": b""}), "it holds '../evil' beside"),
        (lambda _, members: members.pop("model.weights.h5"), "it holds no model.weights.h5"),
        (lambda _, members: members.update({"config.json": b""}), "Expecting value"),
        (lambda _, members: members.update({"model.weights.h5": bytes(2**26)}), "unpacks from"),
        (lambda _, members: members.update({"model.weights.h5": os.urandom(2**22)}), "signature"),
    ],
)
def test_a_model_of_absurd_sizes_is_refused_before_it_is_built(tmp_path, change, said):
    before = peak_memory()
    rewrite(tmp_path / "net.keras", change)
    refused(tmp_path / "net.keras", said)
    assert peak_memory() - before < 2**29


def test_a_model_of_stock_layers_of_any_shape_loads(tmp_path):
    images = keras.Input((28, 28, 1))
    inner = keras.Sequential([keras.layers.Conv2D(2, 3, activation="gelu"), keras.layers.ReLU(6)])
    inner.build((None, 28, 28, 1))
    inner.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), ["accuracy"])
    x = keras.ops.clip(inner(images)[..., ::-1] * 2.0, -1, 1)
    x = keras.layers.Add()([keras.layers.BatchNormalization()(x), x])
    x = keras.layers.Dropout(0.5, seed=2**31)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(images, keras.layers.Dense(10, kernel_regularizer="l2")(x))
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10**8)), "mse")
    model.save(tmp_path / "net.keras")
    np.testing.assert_array_equal(
        model_file.load(tmp_path / "net.keras", lambda: model)(X), model(X)
    )


def test_weights_that_are_not_finite_are_refused(tmp_path):
    weights = [np.full(shape, np.nan) for shape in ((784, 1024), 1024, (1024, 10), 10)]
    write_hdf5(tmp_path / "mnist_2layer", weights)
    refused(tmp_path / "mnist_2layer", "logits that are not finite")
    rewrite(tmp_path / "net.keras", lambda config, members: None)


@pytest.mark.parametrize("name", ["pipe", "folder", "nowhere"])
@pytest.mark.parametrize("extension", ["", ".keras"])
def test_what_is_no_regular_file_is_refused(tmp_path, name, extension):
    os.mkfifo(tmp_path / f"pipe{extension}")
    (tmp_path / f"folder{extension}").mkdir()
    refused(tmp_path / (name + extension), "no regular file|No such file")


@keras.saving.register_keras_serializable("mine")
class Doubled(keras.layers.Layer):
    """A layer that is not Keras's own."""

    def call(self, x):
        """Twice x."""
        return 2 * x


@keras.saving.register_keras_serializable("mine")
def doubled(x):
    return 2 * x


layers, Dense, Flatten = keras.layers, keras.layers.Dense, keras.layers.Flatten


def sequential(*of, shape=(28, 28, 1)):
    return keras.Sequential([layers.Input(shape), *of])


def of_two_inputs():
    images, others = keras.Input((28, 28, 1)), keras.Input((3,))
    return keras.Model(
        [images, others], Dense(10)(layers.Concatenate()([Flatten()(images), others]))
    )


def of_two_outputs():
    images = keras.Input((28, 28, 1))
    return keras.Model(images, [Dense(10)(Flatten()(images)), Dense(1)(Flatten()(images))])


def of_bytes():
    images = keras.Input((28, 28, 1), dtype="uint8")
    return keras.Model(images, Dense(10)(Flatten()(layers.Rescaling(1 / 255)(images))))


def of_a_fixed_batch():
    images = keras.Input(batch_shape=(64, 28, 28, 1))
    return keras.Model(images, Dense(10)(keras.ops.reshape(images, (64, 784))))


def quantized():
    model = sequential(Dense(10))
    model.quantize("int8")
    return model


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda: sequential(Flatten(), Dense(10), shape=(28, 28)),
            r"the shape \(28, 28\), this data set has \(28, 28, 1\): let it begin with "
            r"keras\.Input\(\(28, 28, 1\)\), keras\.layers\.Reshape\(\(28, 28\)\)$",
        ),
        (lambda: sequential(Dense(10), shape=(784,)), r"Reshape\(\(784,\)\)$"),
        (lambda: sequential(Flatten(), Dense(10), shape=(9, 9, 1)), r"has \(28, 28, 1\)$"),
        (
            lambda: sequential(Flatten(), Dense(10), shape=(1, 28, 28)),
            r"begin with keras\.Input\(\(28, 28, 1\)\), keras\.layers\.Permute\(\(3, 1, 2\)\)$",
        ),
        (of_two_inputs, r"it takes 2 inputs, this data set has one of \(28, 28, 1\)$"),
        (of_two_outputs, r"it gives 2 outputs, this data set needs one of 10 logits"),
        (of_bytes, r"it takes images of uint8, which have no gradients"),
        (lambda: sequential(layers.Reshape((28, 28)), Dense(10)), r"\(28, 10\) for.*with Flatten"),
        (of_a_fixed_batch, r"it has a fixed batch of 64: let it begin with keras\.Input\(\(28, 28"),
        (lambda: sequential(Flatten(), Dense(1)), "it gives one number for an image, this data"),
        (lambda: sequential(Flatten(), Dense(2)), "it gives 2 numbers for an image, .* 10 logits"),
        (lambda: keras.Sequential([Flatten(), Dense(10)]), r"it is not built: .* keras\.Input"),
        (
            lambda: sequential(Doubled(), Flatten(), Dense(10)),
            "Doubled, .* build the model from Keras's own layers",
        ),
        (lambda: sequential(Flatten(), Dense(10, doubled)), "it names the function mine>doubled"),
        (quantized, "names keras.quantizers.*; save the model before it is quantized"),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize` method")
def test_a_model_that_does_not_fit_is_told_why(tmp_path, build, said):
    model_file.save(build(), tmp_path / "net.keras")
    refused(tmp_path / "net.keras", said)


def test_sizes_that_a_model_leaves_open_fit(tmp_path):
    model = sequential(
        layers.Conv2D(3, 3), layers.GlobalMaxPooling2D(), Dense(10), shape=(None, None, 1)
    )
    model_file.save(model, tmp_path / "net.keras")
    np.testing.assert_array_equal(
        model_file.load(tmp_path / "net.keras", build_two_layer)(X), model(X)
    )


def test_an_image_of_one_grey_may_have_no_logits(tmp_path):
    images = keras.Input((28, 28, 1))
    x = Flatten()(images)
    x = (x - keras.ops.mean(x, 1, keepdims=True)) / keras.ops.std(x, 1, keepdims=True)
    model = keras.Model(images, Dense(10)(x))
    model_file.save(model, tmp_path / "net.keras")
    assert np.isnan(model(0 * X)).all()
    np.testing.assert_array_equal(
        model_file.load(tmp_path / "net.keras", build_two_layer)(X), model(X)
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", "float64"])
def test_a_model_of_any_float_type_is_read(tmp_path, dtype):
    model = keras.Sequential([layers.Input((28, 28, 1)), Flatten(), Dense(10, dtype=dtype)])
    model_file.save(model, tmp_path / "net.keras")
    found = model_file.load(tmp_path / "net.keras", build_two_layer)
    np.testing.assert_array_equal(found(X), model(X))


@pytest.mark.parametrize("structure", [lambda x: [x], lambda x: {"named": x}])
def test_a_list_or_dict_of_one_input_and_output_is_that_one(tmp_path, structure, recwarn):
    images = keras.Input((28, 28, 1), name="named")
    logits = Dense(10)(Flatten()(images))
    model_file.save(keras.Model(structure(images), structure(logits)), tmp_path / "net.keras")
    model = model_file.load(tmp_path / "net.keras", build_two_layer)
    np.testing.assert_array_equal(model(X), keras.Model(images, logits)(X))
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


@pytest.mark.parametrize("extension", ["", ".keras"])
def test_the_users_settings_of_keras_change_nothing(tmp_path, extension):
    path = tmp_path / f"net{extension}"
    model = build_seven_layer()
    model.save(tmp_path / f"net{extension or '.h5'}")
    if not extension:
        (tmp_path / "net.h5").rename(path)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("float16")
    try:
        found = model_file.load(path, build_seven_layer)
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(found(X), model(X))
