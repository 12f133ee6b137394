"""ONNX files: predictions and derivatives as onnx.reference has them, and what is refused."""

import numpy as np
import pytest

import setup_digits
from lipschitz.network import Convention
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.network import network_of
from lipschitz.tf_backend.readers import onnx_file
from lipschitz.tf_backend.runtime import tf

onnx = pytest.importorskip("onnx")
from tests.tf_backend.readers.onnx_models import model, node, reference  # noqa: E402

pytestmark = pytest.mark.extra

rng = np.random.default_rng(0)
IMAGE = (3, 8, 9)
IMAGES = rng.uniform(-1, 1, (3, *IMAGE)).astype(np.float32)
BATCH = "images"  # a number that is left open


@pytest.fixture(autouse=True)
def same_numbers():
    """Each test draws the same, whichever ran before: none crosses a kink by chance."""
    rng.bit_generator.state = np.random.default_rng(1).bit_generator.state


def random(*shape):
    return rng.normal(size=shape)


def load(made, folder):
    onnx.save(made, folder / "net.onnx")
    return onnx_file.load(folder / "net.onnx")


def check(made, folder, x=IMAGES):
    """Outputs, in a graph of an open batch too, and the gradient along a random direction."""
    found = load(made, folder)
    expected = reference(made, x)
    np.testing.assert_allclose(found.predict(tf.constant(x)), expected, rtol=1e-5, atol=1e-6)
    cotangent, direction = random(*expected.shape), random(*x.shape)

    @tf.function(input_signature=[tf.TensorSpec((None, *x.shape[1:]))], autograph=False)
    def compiled(x):
        outputs = found.predict(x)
        return outputs, tf.gradients(outputs, x, cotangent)[0]

    outputs, gradient = compiled(tf.constant(x))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    step = 1e-5 * direction
    along = reference(made, x + step) - reference(made, x - step)
    np.testing.assert_allclose(
        np.sum(gradient * direction), np.sum(along * cotangent) / 2e-5, rtol=1e-3, atol=1e-3
    )


# Operators -------------------------------------------------------------------

PLAIN = """
    Abs Atan Cos Erf Exp HardSwish Identity LeakyRelu Mish Neg Relu Sigmoid Sin Softplus Softsign
    Tanh
""".split()  # noqa: SIM905
SETTINGS = {
    "Celu": {"alpha": 0.7},
    "Elu": {"alpha": 0.7},
    "Gelu": {"approximate": "tanh"},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "Selu": {"alpha": 1.5, "gamma": 0.9},
    "ThresholdedRelu": {"alpha": 0.3},
}
OF_TWO = ["Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"]


def joined(nodes, *before):
    """What the nodes make, side by side."""
    parts = " ".join(each.output[0] for each in nodes)
    return [*before, *nodes, node("Concat", parts, "y", axis=1)]


def test_functions_of_numbers(tmp_path):
    nodes = [node(kind, "x", kind, **SETTINGS.get(kind, {})) for kind in [*PLAIN, *SETTINGS]]
    check(model(joined(nodes), (BATCH, *IMAGE)), tmp_path)


def test_functions_of_positive_numbers(tmp_path):
    nodes = [node(kind, "above", kind) for kind in ("Log", "Reciprocal", "Sqrt")]
    nodes += [node(kind, "above c", kind) for kind in OF_TWO]
    constants = {"two": 2.0, "c": rng.uniform(1, 2, (3, 1, 9))}
    check(model(joined(nodes, node("Add", "x two", "above")), (BATCH, *IMAGE), constants), tmp_path)


def test_choices_between_numbers(tmp_path):
    logic = [
        node("Greater", "x slope", "greater"),
        node("Less", "x high", "less"),
        node("And", "greater less", "and"),
        node("Not", "and", "not"),
        node("Or", "not greater", "or"),
    ]
    nodes = [
        node("Clip", "x low high", "clipped"),
        node("Clip", "x  high", "below"),
        node("PRelu", "x slope", "prelu"),
        node("Where", "or x low", "where"),
    ]
    constants = {"low": -0.3, "high": 0.6, "slope": random(3, 1, 1)}
    check(model(joined(nodes, *logic), (BATCH, *IMAGE), constants), tmp_path)


KERNEL, GROUPED = {"w": random(4, 3, 3, 2), "b": random(4)}, {"w": random(6, 1, 3, 2)}
WINDOWS = {
    "strides, pads": (node("Conv", "x w b", "y", strides=[2, 1], pads=[1, 0, 2, 1]), KERNEL),
    "dilated": (node("Conv", "x w", "y", dilations=[2, 3]), KERNEL),
    "same": (node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[3, 2]), KERNEL),
    "same, lower": (node("Conv", "x w", "y", auto_pad="SAME_LOWER", strides=[3, 2]), KERNEL),
    "depthwise": (node("Conv", "x w", "y", group=3, strides=[2, 2]), GROUPED),
    "two strides": (node("Conv", "x w", "y", group=3, strides=[2, 1]), GROUPED),
}
POOLING = {
    "pads": {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]},
    "partial": {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    "apart": {"kernel_shape": [1, 2], "strides": [2, 3]},
    "same": {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
}


@pytest.mark.parametrize(("made", "constants"), WINDOWS.values(), ids=WINDOWS)
def test_convolutions(tmp_path, made, constants):
    check(model([made], (BATCH, *IMAGE), constants), tmp_path)


def test_convolution_of_groups(tmp_path):
    nodes = [node("Conv", "x w", "z"), node("Conv", "z g", "y", group=2, strides=[2, 2])]
    constants = {"w": random(4, 3, 1, 1), "g": random(6, 2, 3, 3)}
    check(model(nodes, (BATCH, *IMAGE), constants), tmp_path)


def test_windows_of_signals(tmp_path):
    nodes = [
        node("Conv", "x w", "z", pads=[1, 1]),
        node("MaxPool", "z", "m", kernel_shape=[2], strides=[2]),
        node("AveragePool", "m", "y", kernel_shape=[2], pads=[1, 1], strides=[2]),
    ]
    signals = rng.uniform(-1, 1, (2, 3, 9)).astype(np.float32)
    check(model(nodes, (BATCH, 3, 9), {"w": random(4, 3, 3)}), tmp_path, signals)


def test_convolution_of_volumes(tmp_path):
    volumes = rng.uniform(-1, 1, (2, 3, 6, 5, 4)).astype(np.float32)
    nodes = [node("Conv", "x w", "y", pads=[1, 1, 0, 0, 1, 1], strides=[1, 2, 1])]
    check(model(nodes, (BATCH, 3, 6, 5, 4), {"w": random(4, 3, 3, 3, 3)}), tmp_path, volumes)


@pytest.mark.parametrize("windows", POOLING.values(), ids=POOLING)
def test_pooling(tmp_path, windows):
    nodes = [node("MaxPool", "x", "max", **windows), node("AveragePool", "x", "mean", **windows)]
    nodes += [node("AveragePool", "x", "padded", count_include_pad=1, **windows)]
    check(model(joined(nodes), (BATCH, *IMAGE)), tmp_path)


NORMALIZATIONS = {
    "batch": (node("BatchNormalization", "x c d e v", "y", epsilon=0.1), 20),
    "instance": (node("InstanceNormalization", "x c d", "y", epsilon=0.1), 20),
    "group": (node("GroupNormalization", "x c d", "y", num_groups=3, stash_type=11), 21),
    "group, 18": (node("GroupNormalization", "x one one", "y", num_groups=1), 18),
    "layer": (node("LayerNormalization", "x w b", "y", axis=2, epsilon=0.1), 20),
    "layer, no bias": (node("LayerNormalization", "x w", "y", axis=-2), 20),
    "channels": (node("LRN", "x", "y", size=3, alpha=0.9, beta=0.6, bias=1.5), 20),
    "more channels": (node("LRN", "x", "y", size=8, alpha=0.9), 20),
}


@pytest.mark.parametrize(("made", "version"), NORMALIZATIONS.values(), ids=NORMALIZATIONS)
def test_normalizations(tmp_path, made, version):
    constants = {name: random(3) for name in "cde"} | {"v": rng.uniform(1, 2, 3)}
    constants |= {"one": random(1), "w": random(8, 9), "b": random(8, 9)}
    check(model([made], (BATCH, *IMAGE), constants, version=version), tmp_path)


def test_products(tmp_path):
    nodes = [
        node("Transpose", "x", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "x turned", "squares"),
        node("MatMul", "squares w", "products"),
        node("Einsum", "products x", "sums", equation="bcij,bcik->bjk"),
        node("Flatten", "sums", "flat"),
        node("Gemm", "flat v b", "y", alpha=0.5, beta=2.0, transB=1),
    ]
    constants = {"w": random(8, 2), "v": random(5, 18), "b": random(5)}
    check(model(nodes, (BATCH, *IMAGE), constants), tmp_path)


@pytest.mark.parametrize("version", [11, 20])
def test_sums_along_axes(tmp_path, version):
    """Axes were attributes before version 13 or 18."""
    kinds = ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"]
    kinds += ["ReduceSumSquare"]
    old = {"axes": [1, -1]} if version < 13 else {}
    nodes = [
        node(kind, "x" if old else "x axes", kind, keepdims=place % 2, **old)
        for place, kind in enumerate(kinds)
    ]
    nodes += [node("GlobalAveragePool", "x", "mean"), node("GlobalMaxPool", "x", "max")]
    flat = [
        node("Flatten", each.output[0], f"flat {each.output[0]}".replace(" ", "")) for each in nodes
    ]
    made = model(joined(flat, *nodes), (BATCH, *IMAGE), {"axes": [1, -1]}, version=version)
    check(made, tmp_path)


@pytest.mark.parametrize("axis", [1, -1])
def test_softmax_of_an_axis(tmp_path, axis):
    nodes = [node(kind, "x", kind, axis=axis) for kind in ("Softmax", "LogSoftmax")]
    check(model(joined(nodes), (BATCH, *IMAGE)), tmp_path)


def test_softmax_is_of_all_axes_that_follow_before_version_13(tmp_path):
    made = model([node("Softmax", "x", "y", axis=2)], (BATCH, *IMAGE), version=12)
    powers = np.exp(IMAGES.astype(float))
    np.testing.assert_allclose(
        load(made, tmp_path).predict(tf.constant(IMAGES)),
        powers / powers.sum(axis=(2, 3), keepdims=True),
        rtol=1e-6,
    )


def test_numbers_are_moved(tmp_path):
    nodes = [
        node("Split", "x sizes", "a b", axis=3),
        node("Split", "a", "c d e", axis=2, num_outputs=3),
        node("Slice", "b from to axes steps", "f"),
        node("Gather", "f places", "g", axis=2),
        node("Gather", "b last", "h", axis=3),
        node("Unsqueeze", "h end", "i"),
        node("Tile", "i times", "j"),
        node("Squeeze", "j one", "k"),
        node("Pad", "k pads  axes", "l", mode="reflect"),
        node("Pad", "g more half", "m"),
        node("GlobalMaxPool", "e", "p"),
        node("Expand", "p shape", "n"),
        node("Dropout", "n", "o"),
        *[node("Flatten", name, f"flat_{name}") for name in "cdlmo"],
        node("Concat", " ".join(f"flat_{name}" for name in "cdlmo"), "y", axis=-1),
    ]
    constants = {
        "sizes": [5, 4],
        "from": [-1, 2**40],
        "to": [-(2**63), -3],
        "axes": [2, 3],
        "steps": [-2, -1],
        "places": [[-1, 0], [1, 1]],
        "last": -1,
        "end": [-1, 1],
        "times": [1, 1, 1, 1, 3],
        "one": [1],
        "pads": [1, 0, 2, 1],
        "more": [0, 0, 1, 0, 0, 0, 0, 0, 0, 2],
        "half": 0.5,
        "shape": [1, 2, 3],
    }
    check(model(nodes, (BATCH, *IMAGE), constants), tmp_path)


def test_shapes_are_computed(tmp_path):
    """As exporters do to flatten, whatever the number of images."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "images"),
        node("Unsqueeze", "images first", "i"),
        node("Slice", "shape one four", "sizes"),
        node("ReduceProd", "sizes", "product", keepdims=1),
        node("Div", "product two", "half"),
        node("Cast", "half", "cast", to=onnx.TensorProto.INT64),
        node("Concat", "i two cast", "to", axis=0),
        node("Reshape", "x to", "z"),
        node("Constant", "", "rest", value_ints=[0, -1]),
        node("Reshape", "z rest", "flat"),
        node("ConstantOfShape", "one", "ones", value=onnx.numpy_helper.from_array(np.ones(1))),
        node("Range", "zero three uno", "range"),
        node("Mod", "range two", "odd"),
        node("Equal", "odd one", "is_odd"),
        node("Where", "is_odd ones range_of", "w"),
        node("ScatterND", "w places ones", "v"),
        node("Cast", "v", "u", to=onnx.TensorProto.DOUBLE),
        node("Einsum", "flat u", "y", equation="bi,j->bij"),
    ]
    constants = {"zero": 0, "first": [0], "one": [1], "four": [4], "two": [2], "three": 3, "uno": 1}
    constants |= {"range_of": random(3), "places": [[2]]}
    check(model(nodes, (BATCH, *IMAGE), constants), tmp_path)


# Networks --------------------------------------------------------------------

DIGITS = setup_digits.load().test_data[:3].transpose(0, 3, 1, 2)  # (3, 1, 28, 28)


def classifier(batch=BATCH, last="Softmax", prefix=""):
    """A residual network of digits, channels first."""
    nodes = [
        node("Conv", "x w b", "conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "conv s b m v", "normal"),
        node("Relu", "normal", "relu"),
        node("MaxPool", "relu", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "pooled k", "inner", pads=[1, 1, 1, 1]),
        node("Add", "inner pooled", "sum"),
        node("LeakyRelu", "sum", "leaky", alpha=0.1),
        node("Concat", "leaky pooled", "both", axis=1),
        node("AveragePool", "both", "means", kernel_shape=[7, 7], strides=[7, 7]),
        node("Reshape", "means flat", "features"),
        node("Gemm", "features d c", "logits", transB=1),
        node(last, "logits", "y"),
    ]
    constants = {name: np.random.default_rng(1).normal(size=4) for name in "bsm"}
    rng = np.random.default_rng(2)
    constants |= {"w": rng.normal(size=(4, 1, 3, 3)), "k": rng.normal(size=(4, 4, 3, 3))}
    constants |= {
        "v": rng.uniform(1, 2, 4),
        "d": rng.normal(size=(10, 32)),
        "c": rng.normal(size=10),
    }
    constants["flat"] = [1 if batch == 1 else 0, -1]
    made = model(nodes, (batch, 1, 28, 28), constants)
    for each in made.graph.node:
        each.name = prefix + each.name
    return made


def operations(found, shape):
    """What a graph computes from images to outputs, in its order."""
    function = tf.function(found.predict, autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((None, *shape))).graph
    used, ahead = set(), [graph.outputs[0].op.inputs[0].op]
    while ahead:
        operation = ahead.pop()
        if operation.name not in used:
            used.add(operation.name)
            ahead += [tensor.op for tensor in operation.inputs]
    return [each for each in graph.get_operations() if each.name in used]


def test_a_residual_network_gives_the_numbers_of_the_reference(tmp_path):
    # with some noise: equal pixels would have several largest ones in a window
    check(classifier(), tmp_path, DIGITS + rng.uniform(0, 0.1, DIGITS.shape).astype(np.float32))


def test_its_softmax_is_the_last_operation(tmp_path):
    assert operations(load(classifier(), tmp_path), (1, 28, 28))[-1].type == "Softmax"


def test_images_are_transposed_before_the_first_convolution_and_after_the_last_pooling(tmp_path):
    found = operations(load(classifier(), tmp_path), (1, 28, 28))
    kinds = [each.type for each in found if each.outputs[0].shape[:1] == [None]]
    assert kinds.count("Transpose") == 2


def test_a_network_of_rectifiers_is_known_to_be_piecewise_linear(tmp_path):
    found = load(classifier(last="Identity"), tmp_path)
    network = network_of(found.predict, (1, 28, 28), "", "", Convention())
    assert network.is_piecewise_linear()


def test_second_derivatives(tmp_path):
    """Of outputs tanh(W x) v they are v tanh'' w w^T, summed over the rows w of W."""
    w, v = random(9, 20), random(20, 2)
    nodes = [node("MatMul", "x w", "z"), node("Tanh", "z", "t"), node("MatMul", "t v", "y")]
    found = load(model(nodes, (BATCH, 9), {"w": w, "v": v}), tmp_path)
    network = network_of(found.predict, (9,), "", "", Convention())
    x, direction = np.float32(random(4, 9)), np.float32(random(4, 9))
    t = np.tanh(x @ w)
    expected = (-2 * t * (1 - t**2) * v[:, 0] * (direction @ w)) @ w.T
    products = network.hessian_products(x, np.float32([1, 0]))
    np.testing.assert_allclose(products(np.arange(4), direction), expected, rtol=1e-3, atol=1e-4)


def test_names_do_not_change_the_fingerprint_but_weights_do(tmp_path):
    named, renamed = load(classifier(), tmp_path), load(classifier(prefix="torch_"), tmp_path)
    assert (named.weights, named.structure) == (renamed.weights, renamed.structure)
    other = classifier()
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros(4), "b"))
    assert load(other, tmp_path).weights != named.weights
    assert load(classifier(last="LogSoftmax"), tmp_path).structure != named.structure


def test_sizes_that_are_left_open_are_those_of_the_images(tmp_path):
    nodes = [node("Conv", "x w", "z", auto_pad="SAME_UPPER"), node("GlobalMaxPool", "z", "m")]
    made = model(
        [*nodes, node("Flatten", "m", "y")], (BATCH, 3, "high", "wide"), {"w": random(5, 3, 3, 3)}
    )
    found = load(made, tmp_path)
    assert found.input_shape == (3, None, None)
    for size in ((8, 9), (5, 4)):
        images = np.float32(random(2, 3, *size))
        np.testing.assert_allclose(found.predict(images), reference(made, images), rtol=1e-5)


def test_constants_among_the_inputs_are_no_images(tmp_path):
    """Files of version 3 of the format list them."""
    made = model([node("Add", "x c", "y")], (BATCH, 2), {"c": [1.0, 2.0]})
    made.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("c", 11, (2,)))
    found = load(made, tmp_path)
    np.testing.assert_allclose(found.predict(tf.ones((3, 2))), [[2, 3]] * 3)


# A fixed batch ---------------------------------------------------------------


def test_a_batch_of_one_that_reshapes_name_is_opened(tmp_path):
    found = load(classifier(batch=1), tmp_path)
    assert found.input_shape == (1, 28, 28)
    expected = [reference(classifier(batch=1), image[None])[0] for image in DIGITS]
    np.testing.assert_allclose(found.predict(tf.constant(DIGITS)), expected, rtol=1e-5)


def test_what_there_is_once_is_repeated_for_each_image(tmp_path):
    """The token of a class that vision transformers put before the patches."""
    made = model(
        [node("Concat", "token x", "z", axis=1), node("Reshape", "z flat", "y", allowzero=1)],
        (1, 4, 5),
        {"token": random(1, 1, 5), "flat": [1, 25]},
    )
    x = np.float32(random(3, 4, 5))
    expected = [reference(made, each[None])[0] for each in x]
    np.testing.assert_allclose(load(made, tmp_path).predict(tf.constant(x)), expected, rtol=1e-6)


def test_a_batch_that_cannot_be_opened_is_refused(tmp_path):
    nodes = [node("Transpose", "x", "z", perm=[1, 0, 2]), node("Reshape", "z shape", "r")]
    made = model([*nodes, node("Flatten", "r", "y")], (1, 4, 6), {"shape": [4, 2, 3]})
    with pytest.raises(
        InputError, match=r"fixed at 1, and cannot be opened \(its Reshape .*dynamic"
    ):
        load(made, tmp_path)


# What is refused -------------------------------------------------------------


def changed(change, nodes=None, **settings):
    nodes = nodes or [node("Relu", "x", "y")]
    made = model(nodes, settings.pop("shape", (BATCH, 4)), **settings)
    change(made)
    return made


def of_nodes(*nodes, **settings):
    return model(list(nodes), settings.pop("shape", (BATCH, 4)), **settings)


def external(place):
    made = of_nodes(node("Add", "x c", "y"), constants={"c": random(4)})
    onnx.external_data_helper.set_external_data(made.graph.initializer[0], place)
    made.graph.initializer[0].ClearField("raw_data")
    return made


REFUSED = {
    "no operator of that name": (
        of_nodes(node("Foo", "x", "z"), node("Bar", "z", "y")),
        "needs Bar, Foo",
    ),
    "another domain": (
        of_nodes(onnx.helper.make_node("Relu", ["x"], ["y"], domain="mine")),
        "needs mine.Relu",
    ),
    "an attribute that is not known": (
        of_nodes(node("Relu", "x", "y", best=1)),
        "its Relu y: .*best",
    ),
    "two outputs": (of_nodes(node("Relu", "x", "y"), outputs=("x", "y")), r"2 outputs \(x, y\)"),
    "whole numbers": (of_nodes(node("Relu", "x", "y"), dtype=np.int64), "images of INT64"),
    "a later version": (of_nodes(node("Relu", "x", "y"), version=99), "version .99.; 7 to 28"),
    "no such tensor": (of_nodes(node("Add", "x z", "y")), "takes z, which no node before it makes"),
    "no output": (of_nodes(node("Relu", "x", "z")), "its output is not made of its input"),
    "whole numbers come out": (
        of_nodes(node("Cast", "x", "y", to=7)),
        "int64, which has no gradients",
    ),
    "other images": (of_nodes(node("Softmax", "x", "y", axis=0)), "depends on the other images"),
    "one row for all": (of_nodes(node("ReduceSum", "x", "y")), "outputs of the shape"),
    "not finite": (of_nodes(node("Log", "x", "y")), "not finite"),
    "training": (
        of_nodes(node("Dropout", "x half on", "y"), constants={"half": 0.5, "on": True}),
        "in training mode",
    ),
    "second output": (
        of_nodes(node("MaxPool", "x", "y places", kernel_shape=[2]), shape=(BATCH, 2, 4)),
        "2 outputs; 1 are known",
    ),
    "strides and dilations": (
        of_nodes(
            node("Conv", "x w", "y", strides=[2], dilations=[2]),
            shape=(BATCH, 2, 9),
            constants={"w": random(2, 2, 2)},
        ),
        "strides and dilations",
    ),
    "groups": (
        of_nodes(
            node("Conv", "x w", "y", group=2**30),
            shape=(BATCH, 2, 9),
            constants={"w": random(2, 2, 2)},
        ),
        "2 channels are not 1073741824 groups",
    ),
    "large shapes": (
        of_nodes(
            node("Shape", "x", "shape"),
            node("Mul", "shape huge", "size"),
            node("ConstantOfShape", "size", "c"),
            node("Reshape", "x c", "y"),
            constants={"huge": [2**20, 2**20]},
        ),
        "its ConstantOfShape c: it makes far more",
    ),
    "large constants": (
        of_nodes(
            node("ConstantOfShape", "size", "c"),
            node("Add", "x c", "y"),
            constants={"size": [2**40, 4]},
        ),
        "its ConstantOfShape c: it makes far more",
    ),
    "large results": (
        of_nodes(
            node("Tile", "x times", "z"),
            node("ReduceSum", "z last", "y"),
            constants={"times": [1, 2**40], "last": [1]},
        ),
        "numbers of the images that are tried",
    ),
    "another file": (external("secret"), "c lies in another file"),
    "another folder": (external("/etc/passwd"), "c lies in another file"),
}


@pytest.mark.parametrize(("made", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, made, said):
    (tmp_path / "secret").write_bytes(bytes(32))
    with pytest.raises(InputError, match=said) as refusal:
        load(made, tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / 'net.onnx'} cannot be used: ")
    assert len(str(refusal.value).splitlines()) == 1


def test_several_inputs_are_named(tmp_path):
    made = of_nodes(node("Add", "x z", "y"))
    made.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("z", 11, (BATCH, 4)))
    with pytest.raises(InputError, match=r"2 inputs \(x, z\), not one"):
        load(made, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", bytes(100)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InputError, match="no ONNX file"):
        onnx_file.load(tmp_path / "net.onnx")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="not found"):
        onnx_file.load(tmp_path / "net.onnx")
