"""SavedModels as networks: what they compute, and that nothing else in their folder is run."""

import os
import shutil

import numpy as np
import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from lipschitz.network import Box, Convention
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import saved_model
from lipschitz.tf_backend.runtime import tf
from tests.helpers import peak_memory
from tests.tf_backend.readers.test_frozen_graph import agree, freeze, own, small_cnn

SHAPE, CLASSES = (4, 3, 2), 5
tf1 = tf.compat.v1
rng = np.random.default_rng(0)
WEIGHTS = rng.normal(size=(24, CLASSES)).astype(np.float32)
X = rng.uniform(0, 1, (3, *SHAPE)).astype(np.float32)
LOGITS = np.tanh(X.reshape(3, 24) @ WEIGHTS)


class Small(tf.Module):
    """tanh(x W) with W in a variable, in a function that calls another, with effects of its own."""

    def __init__(self, effect=lambda: None, shape=(None, *SHAPE), dtype=tf.float32):
        self.w, self.effect = tf.Variable(WEIGHTS), effect
        self.serve = tf.function(self.serve, input_signature=[tf.TensorSpec(shape, dtype, "x")])

    @tf.function(jit_compile=True)
    def product(self, x):
        return tf.reshape(tf.cast(x, tf.float32), (-1, 24)) @ self.w

    def serve(self, x):
        self.effect()
        return {"logits": tf.tanh(self.product(x))}


def save(path, module=None, **signatures):
    module = module or Small()
    tf.saved_model.save(module, str(path), signatures=signatures or module.serve)
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("saved") / "net")


@pytest.fixture
def small(saved, tmp_path):
    """A folder with a small SavedModel, to be spoiled."""
    return shutil.copytree(saved, tmp_path / "net")


def load(path, *arguments, **settings):
    return saved_model.load(path, Convention(), *arguments, **settings)


def edit(path, change):
    """Change the proto in the folder."""
    found = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    change(found.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(found.SerializeToString())


def refused(path, said, *arguments, **settings):
    with pytest.raises(InputError, match=said) as error:
        load(path, *arguments, **settings)
    assert len(str(error.value).splitlines()) == 1


def test_a_module_of_tensorflow_gives_the_logits_of_its_signature(saved):
    network = load(saved)
    assert (network.input_shape, network.num_labels, network.box) == (SHAPE, CLASSES, Box(0, 1))
    np.testing.assert_allclose(network.logits(X), LOGITS, atol=1e-6)
    slopes = (1 - LOGITS[:, :1] ** 2) * WEIGHTS[:, 0]
    weights = np.eye(CLASSES, dtype=np.float32)[[0, 0, 0]]
    found = network.gradients(X, weights).of_margins
    np.testing.assert_allclose(found, slopes.reshape(X.shape), atol=1e-5)
    assert not network.is_piecewise_linear()


def test_keras_models_agree_however_they_are_saved(tmp_path, capsys):
    model = small_cnn()
    model.export(tmp_path / "exported", verbose=False)
    tf.saved_model.save(model, str(tmp_path / "saved"))
    network = load(tmp_path / "exported")
    assert "softmax at the network's end is taken off" in capsys.readouterr().err
    assert network.is_piecewise_linear()
    agree(network, model)
    assert load(tmp_path / "saved").fingerprint == network.fingerprint
    frozen = own(freeze(tmp_path / "net.pb", model))
    x = np.ones((2, *network.input_shape), np.float32)
    np.testing.assert_allclose(network.logits(x), frozen.logits(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("use_resource", [False, True])
def test_models_of_tensorflow_1_are_read(tmp_path, use_resource):
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (None, *SHAPE))
        w = tf1.get_variable("w", initializer=WEIGHTS, use_resource=use_resource)
        shift = tf1.get_variable("shift", initializer=np.float32(1), use_resource=use_resource)
        logits = tf.tanh(tf.reshape(x, (-1, 24)) @ w + shift - 1)
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, str(tmp_path / "net"), {"x": x}, {"logits": logits})
    np.testing.assert_allclose(load(tmp_path / "net").logits(X), LOGITS, atol=1e-5)


def test_a_model_without_variables_needs_no_file_of_them(tmp_path):
    module = Small()
    module.w = WEIGHTS
    shutil.rmtree(save(tmp_path / "net", module) / "variables")
    np.testing.assert_allclose(load(tmp_path / "net").logits(X), LOGITS, atol=1e-6)


def test_the_fingerprint_is_that_of_the_values_and_what_is_done_with_them(saved, tmp_path):
    first = load(saved).fingerprint
    assert load(saved).fingerprint == first
    assert load(save(tmp_path / "again")).fingerprint == first
    module = Small()
    module.w.assign_add(np.ones_like(WEIGHTS))
    assert load(save(tmp_path / "other", module)).fingerprint != first


def test_open_sizes_are_those_of_the_images(tmp_path):
    save(tmp_path / "net", Small(shape=(None, None, None, 2)))
    assert load(tmp_path / "net", SHAPE).input_shape == SHAPE
    refused(tmp_path / "net", r"leaves sizes of its images open, \(None, None, 2\)")


def test_effects_are_not_run(tmp_path):
    """TensorFlow's own loader would keep them with the signature, and run them with each call."""
    module = Small(lambda: tf.io.write_file(str(tmp_path / "escaped"), "x"))
    network = load(save(tmp_path / "net", module))
    np.testing.assert_allclose(network.logits(X), LOGITS, atol=1e-6)
    assert not (tmp_path / "escaped").exists()


def test_a_model_that_needs_a_file_is_refused(tmp_path):
    class Reader(Small):
        def product(self, x):
            return super().product(x) + tf.strings.to_number(tf.io.read_file("secret"))

    refused(save(tmp_path / "net", Reader()), "is not run: its ReadFile is a ReadFile, which is")


def test_a_folder_without_a_model_is_told(tmp_path, small):
    refused(tmp_path, r"holds no saved_model\.pb$")
    refused(small, "has no signature images; it has serving_default$", signature="images")
    edit(small, lambda graph: graph.meta_info_def.tags.__setitem__(0, "train"))
    refused(small, "has no graph with the tag serve; it has train$")


def test_signatures_of_several_tensors_are_told(tmp_path):
    def pair(x):
        return {"a": x[:, :2], "b": x[:, 1:]}

    def sums(x, y):
        return {"sum": x + y}

    spec = tf.TensorSpec((None, 3), tf.float32, "x")
    save(
        tmp_path / "net",
        tf.Module(),
        pair=tf.function(pair, input_signature=[spec]),
        sums=tf.function(sums, input_signature=[spec, tf.TensorSpec((None, 3), tf.float32, "y")]),
    )
    said = r"takes x \(float32\) and gives a \(float32\), b \(float32\) by its signature pair; need"
    refused(tmp_path / "net", said, signature="pair")
    refused(tmp_path / "net", r"takes x \(float32\), y \(float32\) and gives sum", signature="sums")
    refused(tmp_path / "net", "no signature serving_default; it has pair, sums")


def test_whole_numbers_have_no_gradients(tmp_path):
    save(tmp_path / "net", Small(dtype=tf.uint8))
    refused(tmp_path / "net", r"takes x \(uint8\) and gives logits \(float32\) by")


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
def test_files_of_variables_that_are_missing_or_no_files_are_told(small, name):
    path = small / "variables" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(small, "net cannot be used: ")
    path.unlink()
    refused(small, "net cannot be used: ")
    os.mkfifo(path)
    refused(small, "net cannot be used: ")


def test_a_variable_that_is_not_stored_is_told(small):
    edit(small, lambda graph: graph.saver_def.ClearField("restore_op_name"))
    refused(small, "its variable Variable is not stored in variables")


def calls(function):
    return [node.attr["f"].func for node in function.node_def if "Call" in node.op]


def test_functions_that_call_themselves_are_refused(small):
    def change(graph):
        for function in graph.graph_def.library.function:
            for call in calls(function):
                call.name = function.signature.name

    edit(small, change)
    refused(small, "its function .* calls itself")


def test_functions_that_call_each_other_without_bounds_are_refused(tmp_path):
    """Each of forty functions calls the next one twice: 2^40 calls in all."""

    class Twice(Small):
        @tf.function
        def product(self, x):
            return super().product(x) + super().product(x)

    def change(graph):
        functions = graph.graph_def.library.function
        for twice in [each for each in functions if len(calls(each)) == 2]:
            for number in range(40):
                functions.append(twice)
                functions[-1].signature.name = f"{twice.signature.name}_{number}"
                for call in calls(twice):
                    call.name = functions[-1].signature.name

    logits = load(save(tmp_path / "net", Twice())).logits(X)
    np.testing.assert_allclose(logits, np.tanh(2 * np.arctanh(LOGITS)), atol=1e-3)
    edit(tmp_path / "net", change)
    before = peak_memory()
    refused(tmp_path / "net", "call each other too often")
    assert peak_memory() - before < 2**28
