"""Frozen graphs as networks: predictions, first and second derivatives, what is refused."""

import numpy as np
import pytest
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from lipschitz.network import Box, Convention, margin_weights
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.readers import frozen_graph, graph_network
from lipschitz.tf_backend.readers.preprocessing import centred, centred_bgr, centred_scaled, doubled
from lipschitz.tf_backend.runtime import keras, tf
from tests.helpers import peak_memory

SIZE, CLASSES = 8, 5
rng = np.random.default_rng(0)
WEIGHTS = rng.normal(size=(3, CLASSES)).astype(np.float32)
IMAGES = rng.uniform(-0.5, 0.5, (4, SIZE, SIZE, 3)).astype(np.float32)


def write_graph(path, images, logits, prob, shape="", size=SIZE, weights=WEIGHTS, scale=1.0):
    """A graph with these tensors: logits tanh(scale * (channel means @ weights)).

    The prob tensor is their softmax, unless it is the logits.
    """
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, size, size, 3), images.partition(":")[0])
        inner = tf.matmul(tf.reduce_mean(x, (1, 2)), weights)
        last = logits.partition(":")[0]
        if shape:
            flat = tf.tanh(scale * inner)
            tf.reshape(flat, tf.shape(flat, name=shape.partition(":")[0]), last)
        else:
            tf.tanh(scale * inner, last)
        if prob != logits:
            tf.nn.softmax(graph.get_tensor_by_name(logits), name=prob.partition(":")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.as_graph_def().SerializeToString())


@pytest.fixture(params=["constant", "captured"])
def weights(request, monkeypatch):
    """Both ways in which weights are held, on a graph that is small."""
    if request.param == "captured":
        monkeypatch.setattr(graph_network, "LARGE_CONSTANT", 1)


@pytest.fixture
def small(tmp_path):
    """The .pb of a small graph."""
    write_graph(tmp_path / "small.pb", "input:0", "net/logits:0", "net/prob:0", "net/Shape:0")
    return tmp_path / "small.pb"


def load(path, logits="net/logits:0", shape="net/Shape:0", images="input:0", classes=CLASSES):
    return frozen_graph.load(path, SIZE, classes, images, logits, shape, doubled)


def logits_by_hand(images):
    return np.tanh(2 * images.mean(axis=(1, 2)) @ WEIGHTS)


def test_eager_and_compiled_predictions_agree_with_numpy(small, weights):
    network = load(small)
    assert (network.image_size, network.num_channels, network.num_labels) == (SIZE, 3, CLASSES)
    x = tf.constant(IMAGES)
    np.testing.assert_allclose(network.predict(x), logits_by_hand(IMAGES), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        tf.function(network.predict)(x), logits_by_hand(IMAGES), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_one_forward_pass_serves_several_gradients(small, weights, compiled):
    network = load(small)

    def gradients(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            logits = network.predict(x)
        each = np.eye(CLASSES, dtype=np.float32)[:2]
        return [
            tape.gradient(logits, x, output_gradients=tf.broadcast_to(w, tf.shape(logits)))
            for w in each
        ]

    found = (tf.function(gradients) if compiled else gradients)(tf.constant(IMAGES))
    slope = 1 - logits_by_hand(IMAGES) ** 2
    for label in range(2):
        expected = slope[:, label, None] * 2 * WEIGHTS[:, label] / SIZE**2
        expected = np.broadcast_to(expected[:, None, None, :], IMAGES.shape)
        np.testing.assert_allclose(found[label], expected, rtol=1e-3, atol=1e-7)


def test_nested_tapes_give_the_product_with_the_hessian(small, weights):
    network, label = load(small), 3
    direction = np.random.default_rng(1).normal(size=IMAGES.shape).astype(np.float32)

    @tf.function
    def product(x, v):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                logit = network.predict(x)[:, label]
            gradient = inner.gradient(logit, x)
        return outer.gradient(gradient, x, output_gradients=v)

    # logit tanh(u), u = a . x: the Hessian is tanh''(u) a a^T
    a = np.broadcast_to(2 * WEIGHTS[:, label] / SIZE**2, IMAGES.shape[1:])
    z = logits_by_hand(IMAGES)[:, label]
    along = np.einsum("bhwc,hwc->b", direction, a)
    expected = (-2 * z * (1 - z**2) * along)[:, None, None, None] * a
    found = product(tf.constant(IMAGES), tf.constant(direction))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)


def test_the_graph_shows_the_operations_between_images_and_logits(small, weights):
    graph = load(small).graph()
    operations = [operation.type for operation in graph.get_operations()]
    assert "Tanh" in operations
    assert "Softmax" not in operations
    assert graph.inputs[0].shape.as_list() == [None, SIZE, SIZE, 3]


def test_weights_are_not_copied_into_the_graph(tmp_path):
    weights = np.random.default_rng(2).normal(size=(3, 5000)).astype(np.float32)
    path = tmp_path / "wide.pb"
    write_graph(path, "input:0", "net/logits:0", "net/prob:0", weights=weights)
    network = load(path, shape="", classes=5000)
    assert path.stat().st_size > weights.nbytes
    assert network.graph().as_graph_def().ByteSize() < weights.nbytes / 4
    expected = np.tanh(2 * IMAGES.mean(axis=(1, 2)) @ weights)
    np.testing.assert_allclose(network.predict(tf.constant(IMAGES)), expected, atol=1e-5)


def test_a_pixel_of_each_family_by_hand():
    pixel = tf.constant([[[[0.1, -0.5, 0.5]]]])  # 153, 0, 255
    for preprocess, expected in (
        (doubled, [0.2, -1.0, 1.0]),
        (centred, [29.32, -116.78, 151.06]),
        (centred_scaled, [0.49844, -1.98526, 2.56802]),
        (centred_bgr, [151.0, -117.0, 29.0]),
    ):
        np.testing.assert_allclose(preprocess(pixel)[0, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"logits": "net/logit:0"}, r"no tensor net/logit:0;.*input:0.*net/logits:0"),
        ({"images": "images:0"}, "no tensor images:0; .*placeholders input:0"),
        ({"shape": "Shape:0"}, "no tensor Shape:0"),
        (
            {"logits": "net/logits:7"},
            "cannot be used: .* output 7 of node 'net/logits', .* 1 output",
        ),
        ({"logits": "net/logits:x"}, "no tensor net/logits:x;.*alike net/logits:0"),
        ({"logits": "net/logits:0:0"}, "no tensor net/logits:0:0;"),
        ({"images": "input:2"}, "cannot be used: .* output 2 of node 'input', .* 1 output"),
        ({"classes": 1001}, "cannot be used: .* 10 values, .* 2002"),
        ({"logits": "Mean:0", "shape": ""}, "not 5 logits each"),
    ],
)
def test_a_graph_without_the_named_tensors_is_refused_with_those_it_has(small, wrong, said):
    with pytest.raises(InputError, match=said) as error:
        load(small, **wrong)
    assert "\n" not in str(error.value)


def test_of_thousands_of_tensors_a_few_are_named(tmp_path):
    graph = tf.compat.v1.GraphDef()
    for number in range(3000):
        graph.node.add(name=f"net/layer{number}", op="NoOp")
    (tmp_path / "large.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match="net/layer2999:0") as error:
        load(tmp_path / "large.pb")
    assert len(str(error.value)) < 1000


def test_damaged_and_foreign_files_are_refused_in_one_line(small):
    whole = small.read_bytes()
    for content in (b"", b"text, not a graph", whole[:-3], whole[: len(whole) // 2], bytes(999)):
        small.write_bytes(content)
        with pytest.raises(InputError, match=r"small\.pb") as error:
            load(small)
        assert "\n" not in str(error.value)
    small.unlink()
    with pytest.raises(InputError, match="not found"):
        load(small)


def test_a_spoiled_constant_is_refused(small):
    graph = frozen_graph.read(small)
    constant = next(node for node in graph.node if node.name == "MatMul/b")
    constant.attr["value"].tensor.tensor_content = b"short"
    small.write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match="cannot be used: Cannot parse"):
        load(small)


def test_a_graph_that_needs_more_than_images_is_refused(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        keep = tf.compat.v1.placeholder(tf.float32, (), "keep_prob")
        tf.multiply(tf.matmul(tf.reduce_mean(x, (1, 2)), WEIGHTS), keep, "net/logits")
    (tmp_path / "keep.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match="keep_prob"):
        load(tmp_path / "keep.pb", shape="")


def test_a_graph_that_would_write_a_file_is_not_run(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        with tf.control_dependencies([tf.io.write_file(str(tmp_path / "escaped"), "x")]):
            tf.matmul(tf.reduce_mean(x, (1, 2)), WEIGHTS, name="logits")
    (tmp_path / "evil.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match=r"evil.pb is not run: its WriteFile is a WriteFile"):
        load(tmp_path / "evil.pb", "logits:0", shape="")
    assert not (tmp_path / "escaped").exists()


def test_a_graph_with_variables_is_refused(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        weights = tf.compat.v1.get_variable("w", initializer=WEIGHTS, use_resource=False)
        tf.matmul(tf.reduce_mean(x, (1, 2)), weights, name="net/logits")
    (tmp_path / "checkpoint.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match="is not frozen: w is a variable"):
        load(tmp_path / "checkpoint.pb", shape="")


def constant(graph, name):
    return next(node for node in graph.node if node.name == name).attr["value"].tensor


@pytest.mark.parametrize(
    ("sizes", "said"), [([2**30, 2**10], "more bytes than the file"), ([-3, 5], "negative size")]
)
def test_a_constant_of_absurd_size_is_refused_before_it_is_made(small, sizes, said):
    graph = frozen_graph.read(small)
    spoiled = constant(graph, "MatMul/b")
    spoiled.ClearField("tensor_content")
    spoiled.ClearField("tensor_shape")
    spoiled.float_val[:] = [1]
    for size in sizes:
        spoiled.tensor_shape.dim.add(size=size)
    small.write_bytes(graph.SerializeToString())
    before = peak_memory()
    with pytest.raises(InputError, match=f"cannot be used: .*{said}"):
        load(small)
    assert peak_memory() - before < 2**28


def test_a_result_of_absurd_size_is_refused_before_it_is_made(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        x = tf.reduce_mean(tf.tile(x, [1, 2**13, 2**13, 1]), (1, 2))
        tf.matmul(x, WEIGHTS, name="logits")
    (tmp_path / "large.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match=r"Tile makes .* numbers"):
        load(tmp_path / "large.pb", "logits:0", shape="")


def test_logits_that_are_not_finite_are_refused(tmp_path):
    write_graph(tmp_path / "nan.pb", "input:0", "logits:0", "prob:0", weights=WEIGHTS * np.nan)
    with pytest.raises(InputError, match="gives logits that are not finite"):
        load(tmp_path / "nan.pb", "logits:0", shape="")


def test_the_first_result_of_an_operation_may_go_by_its_name(small):
    whole, short = load(small), load(small, "net/logits", "net/Shape", "input")
    assert whole.fingerprint == short.fingerprint
    np.testing.assert_array_equal(whole.logits(IMAGES), short.logits(IMAGES))


def write(path, shape, network, dtype=tf.float32):
    """A graph from a placeholder `input` to the tensor `logits` that `network` makes."""
    graph = tf.Graph()
    with graph.as_default():
        tf.identity(network(tf.compat.v1.placeholder(dtype, shape, "input")), "logits")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def means(x):
    return tf.matmul(tf.reduce_mean(x, (1, 2)), WEIGHTS)


def flattened(batch):
    weights = np.ones((SIZE * SIZE * 3, CLASSES), np.float32)
    return lambda x: tf.matmul(tf.reshape(x, (batch, SIZE * SIZE * 3)), weights)


@pytest.mark.parametrize("batch", [1, 2, 128])
def test_a_graph_of_a_fixed_batch_is_told_how_to_open_it(tmp_path, batch):
    write(tmp_path / "net.pb", (batch, SIZE, SIZE, 3), flattened(batch))
    with pytest.raises(
        InputError, match=rf"has a fixed batch of {batch}: freeze it .*\(None, 8, 8"
    ):
        load(tmp_path / "net.pb", "logits", shape="")
    write(tmp_path / "net.pb", (batch, SIZE, SIZE, 3), flattened(-1))  # only the placeholder's
    assert load(tmp_path / "net.pb", "logits", shape="").logits(IMAGES).shape == (4, CLASSES)


@pytest.mark.parametrize("shape", [(16, 16, 3), (SIZE, SIZE, 1), (3, SIZE, SIZE), (192,)])
def test_images_of_another_size_than_the_tables_are_told_with_both(tmp_path, shape):
    write(tmp_path / "net.pb", (None, *shape), lambda x: tf.reshape(x, (-1, 5)))
    with pytest.raises(InputError, match="takes images of the shape") as error:
        load(tmp_path / "net.pb", "logits", shape="")
    assert str(shape) in str(error.value)
    assert "(8, 8, 3)" in str(error.value)


@pytest.mark.parametrize("shape", [None, (None, None, None, 3)])
def test_sizes_that_a_placeholder_leaves_open_fit(tmp_path, shape):
    write(tmp_path / "net.pb", shape, means)
    assert load(tmp_path / "net.pb", "logits", shape="").num_labels == CLASSES


@pytest.mark.parametrize("dtype", [tf.float16, tf.float64, tf.bfloat16])
def test_images_and_logits_of_any_float_type(tmp_path, dtype):
    def network(x):
        return tf.cast(means(tf.cast(x, tf.float32)), dtype)

    write(tmp_path / "net.pb", (None, SIZE, SIZE, 3), network, dtype)
    found = load(tmp_path / "net.pb", "logits", shape="").logits(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * IMAGES.mean(axis=(1, 2)) @ WEIGHTS, atol=0.02)


def test_whole_numbers_have_no_gradients(tmp_path):
    write(
        tmp_path / "net.pb", (None, SIZE, SIZE, 3), lambda x: means(tf.cast(x, tf.float32)), "uint8"
    )
    with pytest.raises(InputError, match=r"takes images of uint8 at input:0.*after their cast"):
        load(tmp_path / "net.pb", "logits", shape="")
    write(tmp_path / "net.pb", (None, SIZE, SIZE, 3), lambda x: tf.cast(means(x), tf.int32))
    with pytest.raises(InputError, match="its logits are of int32, which has no gradients"):
        load(tmp_path / "net.pb", "logits", shape="")


# Graphs of the user's own


OWN = Convention()


def own(path, *arguments):
    return frozen_graph.load_own(path, OWN, *arguments)


def small_cnn():
    """A classifier of (12, 9, 2) with all that inference changes: batch norms, dropout."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 9, 2)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(30, activation="relu"),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    spread = np.random.default_rng(5)
    for weight in model.layers[1].weights:  # means, variances, ...
        weight.assign(spread.uniform(0.5, 2, weight.shape))
    return model


def freeze(path, model):
    """As users of TensorFlow 2 do it."""
    images = tf.TensorSpec((None, *model.input_shape[1:]))
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(images)
    graph = convert_variables_to_constants_v2(traced).graph.as_graph_def()
    path.write_bytes(graph.SerializeToString())
    return path


def agree(network, model):
    """Logits and gradients are those of the model."""
    expected = keras_network(model, Box(0.0, 1.0))
    x, weights = random_images(network), margin_weights(network.num_labels, 0, [1, 2])
    np.testing.assert_allclose(network.logits(x), expected.logits(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        network.gradient_maxima(x, weights).largest,
        expected.gradient_maxima(x, weights).largest,
        rtol=1e-5,
    )


def random_images(network, number=3):
    shape = (number, *network.input_shape)
    return np.random.default_rng(2).uniform(0, 1, shape).astype(np.float32)


def test_a_frozen_keras_model_is_the_model_before_its_softmax(tmp_path, capsys):
    model = small_cnn()
    network = own(freeze(tmp_path / "net.pb", model))
    assert "softmax at the network's end is taken off" in capsys.readouterr().err
    assert (network.input_shape, network.num_labels, network.box) == ((12, 9, 2), 5, Box(0, 1))
    assert network.is_piecewise_linear()
    agree(network, model)


def test_a_layer_that_is_a_function_in_the_graph_is_seen_through(tmp_path):
    x = keras.Input((6, 7, 4))
    h = keras.layers.Conv2D(4, 3, groups=2, activation="relu")(x)
    model = keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(h)))
    path = freeze(tmp_path / "net.pb", model)
    assert frozen_graph.read(path).library.function
    network = own(path)
    assert network.is_piecewise_linear()
    agree(network, model)


def test_second_derivatives_of_means_and_resizing_are_whole(tmp_path):
    x = keras.Input((2, 3, 3))
    h = keras.layers.UpSampling2D(interpolation="bilinear")(x)
    h = keras.layers.LayerNormalization()(keras.layers.Conv2D(4, 2, activation="tanh")(h))
    model = keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(h)))
    network, v = own(freeze(tmp_path / "net.pb", model)), np.ones((3, 18), np.float32)
    (weights,) = margin_weights(3, 0, [1])
    products, expected = (
        each.hessian_products(random_images(network), weights)(np.arange(3), v)
        for each in (network, keras_network(model))
    )
    np.testing.assert_allclose(products, expected, rtol=1e-4, atol=1e-5)
    assert not network.is_piecewise_linear()


def test_own_weights_are_not_copied_into_the_functions(tmp_path):
    weights = np.random.default_rng(2).normal(size=(3, 5000)).astype(np.float32)
    write_graph(tmp_path / "wide.pb", "input:0", "logits:0", "logits:0", weights=weights)
    network = own(tmp_path / "wide.pb")
    traced = tf.function(network.predict).get_concrete_function(tf.TensorSpec((None, 8, 8, 3)))
    assert traced.graph.as_graph_def().ByteSize() < weights.nbytes / 4
    assert network.num_labels == 5000


@pytest.mark.parametrize(
    ("shape", "flat"), [((7,), 7), ((4, 6, 2), 48), ((2, 6, 4), 48), ((3, 4, 2, 2), 48)]
)
def test_images_of_any_shape(tmp_path, shape, flat):
    weights = np.random.default_rng(4).normal(size=(flat, 3)).astype(np.float32)
    for batch in (None, 1, 5):  # of the placeholder alone
        write(tmp_path / "net.pb", (batch, *shape), lambda x: tf.reshape(x, (-1, flat)) @ weights)
        network = own(tmp_path / "net.pb")
        assert network.input_shape == shape
        x = random_images(network, 4)
        np.testing.assert_allclose(network.logits(x), x.reshape(4, -1) @ weights, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ((None, None, None, 3), (6, 5, 3), (6, 5, 3)),
        ((None, 3, None, None), (6, 5, 3), (3, 6, 5)),
        (None, (6, 5, 3), (6, 5, 3)),
        ((), (6, 5, 3), (6, 5, 3)),  # as old graphs say that they do not know it
        ((None, 6, 5, 3), (28, 28, 1), (6, 5, 3)),  # known: for others to compare
    ],
)
def test_sizes_that_the_graph_leaves_open_are_those_of_the_images(tmp_path, shape, given, expected):
    def network(x):
        axes = (2, 3) if shape == (None, 3, None, None) else (1, 2)
        return tf.reduce_mean(x, axes) @ WEIGHTS

    write(tmp_path / "net.pb", None if shape == () else shape, network)
    if shape == ():
        graph = frozen_graph.read(tmp_path / "net.pb")
        graph.node[0].attr["shape"].shape.unknown_rank = False
        graph.versions.producer = 21
        (tmp_path / "net.pb").write_bytes(graph.SerializeToString())
    assert own(tmp_path / "net.pb", given).input_shape == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, r"leaves sizes of its images open, \(None, None, 3\) at input:0: give them"),
        ((28, 28, 1), r"of the shape \(None, None, 3\) at input:0; given are \(28, 28, 1\)"),
    ],
)
def test_open_sizes_have_to_be_given_and_to_fit(tmp_path, given, said):
    write(tmp_path / "net.pb", (None, None, None, 3), means)
    with pytest.raises(InputError, match=said):
        own(tmp_path / "net.pb", given)


def test_an_own_graph_of_a_fixed_batch_is_told_how_to_open_it(tmp_path):
    weights = np.ones((192, 5), np.float32)
    write(tmp_path / "net.pb", (1, 8, 8, 3), lambda x: tf.reshape(x, (1, 192)) @ weights)
    with pytest.raises(InputError, match=r"fixed batch of 1: .* \(None, 8, 8, 3\)"):
        own(tmp_path / "net.pb")


def write_with_a_file(path, effect):
    """A graph that would read a file for whole numbers of pixels, which are then cast."""
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.image.decode_png(tf.io.read_file(str(path / "secret")), 3)
        x = tf.cast(tf.reshape(pixels, (-1, 8, 8, 3)), tf.float32, "cast")
        with tf.control_dependencies([tf.io.write_file(str(path / "w"), "x")] if effect else []):
            tf.nn.softmax(tf.identity(means(x), "logits"))
    (path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())


def test_named_tensors_leave_out_what_is_not_run(tmp_path):
    write_with_a_file(tmp_path, effect=False)
    with pytest.raises(InputError, match=r"is a ReadFile.*; name the tensors of its images"):
        own(tmp_path / "net.pb")
    network = own(tmp_path / "net.pb", (8, 8, 3), ("cast", "logits"))
    x = random_images(network)
    np.testing.assert_allclose(network.logits(x), x.mean(axis=(1, 2)) @ WEIGHTS, atol=1e-6)


def test_what_the_logits_wait_for_is_refused_unrun(tmp_path):
    write_with_a_file(tmp_path, effect=True)
    with pytest.raises(InputError, match=r"is not run: its WriteFile is a WriteFile"):
        own(tmp_path / "net.pb", (8, 8, 3), ("cast", "logits"))
    assert not (tmp_path / "w").exists()


def test_a_cast_has_the_shape_of_the_pixels_before_it(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.uint8, (None, 4, 6, 3), "pixels")
        tf.identity(means(tf.cast(pixels, tf.float32, "cast")), "logits")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match=r"take its images at pixels:0 \(uint8\)"):
        own(tmp_path / "net.pb")
    with pytest.raises(InputError, match="images of uint8 at pixels:0, which have no gradients"):
        own(tmp_path / "net.pb", None, ("pixels", "logits"))
    assert own(tmp_path / "net.pb", None, ("cast", "logits")).input_shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (("images", "logits"), "has no tensor images:0; .*placeholders input:0"),
        (("input", "logit"), "has no tensor logit:0; .*alike logits:0"),
        (("logits", "Mean"), "gives Mean:0 whatever its images at logits:0 are"),
        (("input", "input"), "gives input:0 whatever its images at input:0 are"),
    ],
)
def test_wrong_tensors_are_told_in_one_line(tmp_path, tensors, said):
    write(tmp_path / "net.pb", (None, 8, 8, 3), means)
    with pytest.raises(InputError, match=said):
        own(tmp_path / "net.pb", None, tensors)


def test_mean_and_std_come_before_the_graph(tmp_path):
    write(tmp_path / "net.pb", (None, SIZE, SIZE, 3), means)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    network = frozen_graph.load_own(tmp_path / "net.pb", Convention(Box(0, 1), mean, std))
    x = random_images(network)
    expected = (x.mean(axis=(1, 2)) - mean) / std @ WEIGHTS
    np.testing.assert_allclose(network.logits(x), expected, atol=1e-5)
    assert network.is_piecewise_linear()


def test_probabilities_stay_and_are_scored_by_their_logarithms(tmp_path):
    write(tmp_path / "net.pb", (None, SIZE, SIZE, 3), lambda x: tf.nn.softmax(means(x)))
    given = frozen_graph.load_own(tmp_path / "net.pb", Convention(probabilities=True))
    taken_off = own(tmp_path / "net.pb")
    weights = margin_weights(CLASSES, 0, [1])
    margins = [network.logits(random_images(network)) @ weights.T for network in (given, taken_off)]
    np.testing.assert_allclose(*margins, atol=1e-5)
    assert given.fingerprint != taken_off.fingerprint


def test_one_number_is_the_logit_of_class_1_of_two(tmp_path, capsys):
    write(tmp_path / "net.pb", (None, SIZE, SIZE, 3), lambda x: tf.sigmoid(means(x)[:, :1]))
    network = own(tmp_path / "net.pb")
    assert "sigmoid at the network's end is taken off" in capsys.readouterr().err
    x = random_images(network)
    expected = np.column_stack([np.zeros(3), x.mean(axis=(1, 2)) @ WEIGHTS[:, 0]])
    np.testing.assert_allclose(network.logits(x), expected, atol=1e-6)


def test_outputs_that_are_no_logits_are_refused_with_the_file(tmp_path):
    write(tmp_path / "net.pb", (None, 8, 8, 3), lambda x: x)
    with pytest.raises(InputError, match=r"net\.pb cannot be used: for 2 inputs the network gives"):
        own(tmp_path / "net.pb", None, ("input", "logits"))
    write_graph(tmp_path / "nan.pb", "input:0", "logits:0", "logits:0", weights=WEIGHTS * np.nan)
    with pytest.raises(InputError, match=r"nan\.pb cannot be used: .* logits that are not finite"):
        own(tmp_path / "nan.pb")


def test_a_switch_without_a_default_is_told(tmp_path):
    def network(x):
        return tf.where(tf.compat.v1.placeholder(tf.bool, (), "training"), means(x), 2 * means(x))

    write(tmp_path / "net.pb", (None, 8, 8, 3), network)
    with pytest.raises(InputError, match=r"net\.pb: the network cannot be computed: .*training"):
        own(tmp_path / "net.pb")


def renamed(graph):
    """The same graph, its nodes with other names, in another order, on a machine elsewhere."""
    names = {node.name: f"n{place}" for place, node in enumerate(graph.node)}
    changed = tf.compat.v1.GraphDef(node=reversed(graph.node), versions=graph.versions)
    for node in changed.node:
        node.name, node.device = names[node.name], "/job:worker/task:3"
        node.input[:] = [names[each] for each in node.input]
        node.attr["_class"].list.s.append(b"loc:@elsewhere")
    return changed


def test_the_fingerprint_is_that_of_what_is_computed(tmp_path):
    def fingerprint(convention=OWN, **settings):
        write_graph(path, "input:0", "logits:0", **({"prob": "logits:0"} | settings))
        return frozen_graph.load_own(path, convention).fingerprint

    path = tmp_path / "net.pb"
    first = fingerprint()
    assert first == fingerprint() == fingerprint(Convention(Box(-1, 1)))
    path.write_bytes(renamed(frozen_graph.read(path)).SerializeToString())
    assert own(path).fingerprint == first
    others = [
        fingerprint(scale=2),
        fingerprint(weights=2 * WEIGHTS),
        fingerprint(prob="prob:0"),
        fingerprint(Convention(mean=(0.5,), std=(1.0,))),
    ]
    assert len({first, *others}) == 5
