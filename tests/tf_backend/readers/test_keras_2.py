"""Models that Keras 2 wrote: Keras 3 would read some of their layers as others, or not at all."""

import gzip
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from lipschitz.tf_backend.readers import keras_file, keras_hdf5
from lipschitz.tf_backend.runtime import keras
from tests.fuzz.conftest import quick_trials  # noqa: F401
from tests.helpers import ROOT

pytestmark = pytest.mark.usefixtures("quick_trials")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 6, 6, 3)).astype(np.float32)
KERNEL = RNG.normal(size=(5, 5)).astype(np.float32)


def layer(kind, name, *calls, **config):
    """A layer of Keras 2; in a graph, with the tensors that it takes in each call."""
    found = {"class_name": kind, "config": {"name": name, "trainable": True} | config}
    return found | ({"name": name, "inbound_nodes": list(calls)} if calls else {})


def images(shape, name="images"):
    config = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False}
    found = layer("InputLayer", name, **config)
    del found["config"]["trainable"]
    return found | {"name": name, "inbound_nodes": []}


def chain(*layers):
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


def graph(*layers):
    """A functional model, from its first layer to its last."""
    ends = {
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
    return {"class_name": "Model", "config": {"name": "net", "layers": list(layers)} | ends}


@pytest.fixture
def read(tmp_path):
    """Reads a file of such a model, with weights by the names of their layers."""

    def read(config, version="2.9.0", **weights):
        with h5py.File(tmp_path / "net.h5", "w") as file:
            file.attrs["model_config"] = json.dumps(config)
            if version:
                file.attrs["keras_version"] = version
            groups = file.create_group("model_weights")
            groups.attrs["layer_names"] = [name.encode() for name in weights]
            for name, arrays in weights.items():
                names = [f"{name}/{weight}:0".encode() for weight in arrays]
                groups.create_group(name).attrs["weight_names"] = names
                for path, array in zip(names, arrays.values(), strict=True):
                    groups[name][path] = array
        return keras_hdf5.load(tmp_path / "net.h5")

    return read


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def test_a_real_file_gives_the_logits_of_keras_2(tmp_path):
    """tf_keras 2.21 wrote it, with its logits of three images: nested models, slices, a GRU."""
    packed = ROOT / "tests" / "data" / "keras_2.h5.gz"
    with gzip.open(packed) as content, (tmp_path / "net.h5").open("wb") as file:
        shutil.copyfileobj(content, file)
    with h5py.File(tmp_path / "net.h5") as file:
        x, logits = (file["expected"][name][()] for name in ("images", "logits"))
    np.testing.assert_allclose(keras_hdf5.load(tmp_path / "net.h5")(x), logits, atol=1e-5)


@pytest.mark.parametrize("version", ["", "2.1.6-tf"])
def test_a_list_of_layers_without_an_input_is_a_chain(read, version):
    first = layer("Dense", "a", batch_input_shape=[None, 5], units=5, use_bias=False)
    config = {"class_name": "Sequential", "config": [first, layer("ReLU", "b")]}
    model = read(config, version, a={"kernel": KERNEL})
    np.testing.assert_allclose(model(X), np.maximum(X @ KERNEL, 0), rtol=1e-5)


def test_a_hard_sigmoid_keeps_its_slope(read):
    dense = layer("Dense", "a", units=5, use_bias=False, activation="hard_sigmoid")
    config = chain(images((5,)), dense, layer("Activation", "b", activation="hard_sigmoid"))
    expected = hard_sigmoid(hard_sigmoid(X @ KERNEL))
    np.testing.assert_allclose(read(config, a={"kernel": KERNEL})(X), expected, atol=1e-6)


def test_that_of_keras_3_keeps_its_own(read):
    config = chain(images((5,)), layer("Activation", "a", activation="hard_sigmoid"))
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 5]
    del config["config"]["layers"][0]["config"]["batch_input_shape"]
    model = read(config, version="3.4.1")
    np.testing.assert_allclose(model(X), np.clip(X / 6 + 0.5, 0, 1), atol=1e-6)


@pytest.mark.parametrize("key", ["activation", "recurrent_activation"])
def test_a_hard_sigmoid_in_a_recurrent_layer_is_refused(read, key):
    config = chain(images((6, 3)), layer("LSTM", "a", units=2, **{key: "hard_sigmoid"}))
    with pytest.raises(ValueError, match="its 'a' has Keras 2's hard_sigmoid"):
        read(config)


@pytest.mark.parametrize(
    "layer",
    [keras.layers.Dense(3, activation="hard_sigmoid"), keras.layers.RandomCrop(3, 3)],
)
def test_a_keras_file_of_keras_2_is_refused_if_it_would_be_another_function(tmp_path, layer):
    keras.Sequential([keras.Input((6, 6, 3)), layer]).save(tmp_path / "net.keras")
    keras_file.load(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps({"keras_version": "2.15.0"})
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=f"Keras 2 wrote it, and Keras 3 reads its '{layer.name}'"):
        keras_file.load(tmp_path / "net.keras")


def test_axes_in_a_list_are_those_axes(read):
    moments = {name: RNG.uniform(1, 2, 6) for name in ("gamma", "beta")}
    moments |= {name: RNG.uniform(1, 2, 6) for name in ("moving_mean", "moving_variance")}
    normal = layer("BatchNormalizationV1", "a", axis=[2], epsilon=0.1)
    over = layer("LayerNormalization", "b", axis=[1, 2, 3], epsilon=0, center=False, scale=False)
    model = read(chain(images((6, 6, 3)), normal, over), a=moments)
    gamma, beta, mean, variance = (each[:, None] for each in moments.values())
    y = gamma * (IMAGES - mean) / np.sqrt(variance + 0.1) + beta
    axes = {"axis": (1, 2, 3), "keepdims": True}
    np.testing.assert_allclose(model(IMAGES), (y - y.mean(**axes)) / y.std(**axes), atol=1e-4)


def test_entries_that_keras_3_lacks_are_left_out_if_they_say_what_it_does(read):
    kernel = RNG.normal(size=(1, 1, 3, 2)).astype(np.float32)
    depthwise = layer("DepthwiseConv2D", "a", kernel_size=[1, 1], depth_multiplier=2, groups=1)
    depthwise["config"]["use_bias"] = False
    noise = layer("SpatialDropout2D", "b", rate=0.5, noise_shape=None)
    model = read(chain(images((6, 6, 3)), depthwise, noise), a={"depthwise_kernel": kernel})
    expected = (IMAGES[..., None] * kernel[0, 0]).reshape(2, 6, 6, 6)
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-5)


def test_one_group_is_not_left_out_where_it_is_no_default(read):
    one = layer("GroupNormalization", "a", groups=1, epsilon=0, center=False, scale=False)
    axes = {"axis": (1, 2, 3), "keepdims": True}
    expected = (IMAGES - IMAGES.mean(**axes)) / IMAGES.std(**axes)
    np.testing.assert_allclose(read(chain(images((6, 6, 3)), one))(IMAGES), expected, atol=1e-5)


def test_other_entries_are_refused(read):
    with pytest.raises(ValueError, match=r"Unrecognized .* LSTM: {'time_major': True}"):
        read(chain(images((6, 3)), layer("LSTM", "a", units=2, time_major=True)))


def test_slopes_and_thresholds_are_read(read):
    leaky, above = layer("LeakyReLU", "a", alpha=0.25), layer("ThresholdedReLU", "b", theta=0.5)
    y = np.where(X > 0, X, 0.25 * X)
    expected = np.where(y > 0.5, y, 0)
    np.testing.assert_allclose(read(chain(images((5,)), leaky, above))(X), expected)


def test_a_gru_that_says_nothing_resets_before_the_product(read):
    weights = {
        name: RNG.normal(size=(rows, 6)).astype(np.float32)
        for name, rows in (("kernel", 3), ("recurrent_kernel", 2))
    }
    config = {"units": 2, "use_bias": False, "implementation": 1, "time_major": False}
    found = read(chain(images((6, 3)), layer("GRU", "a", **config)), a=weights)
    expected = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.GRU(2, use_bias=False, reset_after=False)]
    )
    expected.set_weights(list(weights.values()))
    x = IMAGES.reshape(-1, 6, 3)
    np.testing.assert_allclose(found(x), expected(x), rtol=1e-5)


@pytest.mark.parametrize(
    "policy", ["mixed_float16", {"class_name": "Policy", "config": {"name": "mixed_float16"}}]
)
def test_a_policy_is_that_policy(read, policy):
    model = read(chain(images((5,)), layer("ReLU", "a", dtype=policy)))
    assert model(X).dtype == "float16"


@pytest.mark.parametrize(
    ("function", "node", "expected"),
    [
        ("math.truediv", ["images", 0, 0, {"y": 255.0, "name": None}], IMAGES / 255),
        ("math.subtract", ["images", 0, 0, {"y": [1, 2, 3]}], IMAGES - [1, 2, 3]),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 1, {"y": ["images", 0, 0]}], 1 - IMAGES),
        (
            "__operators__.add",
            ["images", 0, 0, {"y": ["relu", 0, 0]}],
            np.maximum(2 * IMAGES, IMAGES),
        ),
        ("math.multiply", ["images", 0, 0, {"y": 2}], 2 * IMAGES),
        ("math.negative", ["images", 0, 0, {}], -IMAGES),
        (
            "nn.bias_add",
            ["images", 0, 0, {"bias": [1, 2, 3], "data_format": "NHWC"}],
            IMAGES + np.array([1, 2, 3]),
        ),
        ("nn.relu6", ["images", 0, 0, {}], np.clip(IMAGES, 0, 6)),
    ],
)
def test_arithmetic_between_layers_is_read(read, function, node, expected):
    relu = layer("ReLU", "relu", [["images", 0, 0, {}]])
    result = layer("TFOpLambda", "result", node, function=function)
    np.testing.assert_allclose(
        read(graph(images((6, 6, 3)), relu, result))(IMAGES), expected, atol=1e-6
    )


def test_a_slice_is_read(read):
    spec = [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]
    node = ["images", 0, 0, {"slice_spec": spec}]
    result = layer("SlicingOpLambda", "result", node, function="__operators__.getitem")
    np.testing.assert_array_equal(read(graph(images((6, 6, 3)), result))(IMAGES), IMAGES[..., ::-1])


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("io.read_file", {}, "its 'a' is TensorFlow's function io.read_file"),
        ("nn.bias_add", {"bias": [1, 2, 3], "data_format": "NCHW"}, "data_format"),
        ("nn.softmax", {"axis": 1}, "axis"),
        ("math.add", {"y": [["images"]]}, "could not convert"),
    ],
)
def test_another_function_is_refused(read, function, arguments, said):
    result = layer("TFOpLambda", "a", ["images", 0, 0, arguments], function=function)
    with pytest.raises(ValueError, match=said):
        read(graph(images((6, 6, 3)), result))


@pytest.mark.parametrize("kind", ["Sequential", "Model", "Functional"])
@pytest.mark.parametrize("first", [0, 1])
def test_the_calls_of_a_model_in_the_model_are_told_apart(read, kind, first):
    """Keras 2 counts them from 1 if the model has an input."""
    start, calls = images((5,), "start"), [] if kind == "Sequential" else [[["start", 0, 0, {}]]]
    dense = layer("Dense", "dense", *calls, units=5, use_bias=False)
    inner = graph(start, dense) if calls else chain(start, dense)
    inner["config"]["name"] = "inner"
    calls = [[["images", 0, 0, {}]], [["inner", first, 0, {}]], [["relu", 0, 0, {}]]]
    inner |= {"class_name": kind, "name": "inner", "inbound_nodes": calls}
    relu = layer("ReLU", "relu", [["inner", first + 1, 0, {}]])
    model = graph(images((5,)), inner, relu)
    model["config"]["output_layers"] = [["inner", first + 2, 0]]
    found = read(model, inner={"kernel": KERNEL})
    expected = np.maximum(X @ KERNEL @ KERNEL, 0) @ KERNEL
    np.testing.assert_allclose(found(X), expected, rtol=1e-4)


def test_slashes_in_names_are_no_hindrance(read):
    dense = layer("Dense", "conv1/a", [["images", 0, 0, {}]], units=5, use_bias=False)
    relu = layer("ReLU", "conv1/relu", [["conv1/a", 0, 0, {}]])
    model = read(graph(images((5,)), dense, relu), **{"conv1/a": {"kernel": KERNEL}})
    np.testing.assert_allclose(model(X), np.maximum(X @ KERNEL, 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (layer("Lambda", "a", function=["4wEAAA==", None, None]), "it names Lambda, .*Rescaling"),
        (layer("Own", "a"), "it names Own, .*Keras's own layers"),
        (layer("Custom>relu", "a"), "it names Custom>relu"),
        (layer("TFSMLayer", "a", filepath="."), "it names TFSMLayer"),
        (layer("LocallyConnected2D", "a", filters=3), "it names LocallyConnected2D"),
        (layer("RandomCrop", "a", height=3, width=3), "its 'a' is a RandomCrop"),
        (layer("ReLU", "a", max_value=2**30), "its max_value is 1.07e\\+09"),
    ],
)
def test_what_is_not_known_to_be_safe_or_the_same_is_refused(read, part, said):
    with pytest.raises(ValueError, match=said) as error:
        read(chain(images((6, 6, 3)), part))
    assert len(str(error.value).splitlines()) == 1
