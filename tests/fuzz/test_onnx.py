"""ONNX files that are spoiled: an InputError, or a network of finite outputs, one row an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.tf_backend.readers import onnx_file
from lipschitz.tf_backend.runtime import tf
from tests.fuzz.cases import cases, loaded, spoiled

onnx = pytest.importorskip("onnx")
from lipschitz.tf_backend.onnx_operators.table import OPERATORS  # noqa: E402
from tests.tf_backend.readers.onnx_models import model, node  # noqa: E402

pytestmark = pytest.mark.extra

IMAGE = (2, 4, 4)
NODES = [
    node("Conv", "x w b", "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
    node("Clip", "conv low ", "clip"),
    node("AveragePool", "clip", "pool", kernel_shape=[2, 2]),
    node("Shape", "pool", "shape"),
    node("Slice", "shape zero one", "images"),
    node("Constant", "", "rest", value_ints=[-1]),
    node("Concat", "images rest", "to", axis=0),
    node("Reshape", "pool to", "flat"),
    node("Gemm", "flat v", "y", alpha=0.5),
]
rng = np.random.default_rng(0)
CONSTANTS = {"w": rng.normal(size=(3, 2, 3, 3)), "b": rng.normal(size=3), "low": 0.0}
CONSTANTS |= {"zero": [0], "one": [1], "v": rng.normal(size=(3, 2))}
MODEL = model(NODES, ("images", *IMAGE), CONSTANTS)
FIXED = model(NODES, (1, *IMAGE), CONSTANTS)
SEEDS = [each.SerializeToString() for each in (MODEL, FIXED)]
SIZES = [-(2**63), -1, 0, 1, 2, 7, 2**31, 2**40, 2**63 - 1]


@st.composite
def rewired(draw):
    """The network with one or two of its parts changed as no exporter would."""
    made = onnx.ModelProto.FromString(draw(st.sampled_from(SEEDS)))
    graph = made.graph
    tensors = [name for each in graph.node for name in (*each.input, *each.output)]
    for each in draw(st.lists(st.sampled_from(list(graph.node)), min_size=1, max_size=2)):
        change = draw(st.sampled_from(["kind", "inputs", "outputs", "attribute", "constant"]))
        if change == "kind":
            each.op_type = draw(st.sampled_from(sorted(OPERATORS)))
        elif change == "inputs":
            each.input[:] = draw(st.lists(st.sampled_from(tensors), max_size=5))
        elif change == "outputs":
            each.output[:] = draw(st.lists(st.sampled_from(tensors), max_size=3))
        elif change == "attribute" and each.attribute:
            attribute = draw(st.sampled_from(list(each.attribute)))
            attribute.i = draw(st.sampled_from(SIZES))
            attribute.ints[:] = draw(st.lists(st.sampled_from(SIZES), max_size=4))
        elif change == "constant":
            constant = draw(st.sampled_from(list(graph.initializer)))
            numbers = draw(st.lists(st.sampled_from(SIZES), max_size=4))
            constant.CopyFrom(onnx.numpy_helper.from_array(np.int64(numbers), constant.name))
    return made.SerializeToString()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx") / "net.onnx"


@cases(40)
@given(content=st.one_of(spoiled(SEEDS), rewired(), rewired()))
def test_spoiled_files(path, content):
    path.write_bytes(content)
    network = loaded(onnx_file.load, path)
    if network is None or None in network.input_shape:
        return
    outputs = network.predict(tf.fill((3, *network.input_shape), 0.1))
    assert len(outputs) == 3
