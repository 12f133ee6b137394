"""Frozen graphs as networks: predictions, first and second derivatives, what is refused."""

import numpy as np
import pytest

from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import frozen_graph
from lipschitz.tf_backend.readers.preprocessing import centred, centred_bgr, centred_scaled, doubled
from lipschitz.tf_backend.runtime import tf
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
        monkeypatch.setattr(frozen_graph, "LARGE_CONSTANT", 1)


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
        ({"images": "input:2"}, "no tensor input:2: the images are input:0"),
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
