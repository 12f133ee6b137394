"""Frozen graphs that are spoiled: an InputError, or a network of finite logits."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.network import Convention
from lipschitz.tf_backend import operations
from lipschitz.tf_backend.readers import frozen_graph
from lipschitz.tf_backend.readers.preprocessing import doubled
from lipschitz.tf_backend.runtime import tf
from tests.fuzz.cases import cases, loaded, spoiled
from tests.tf_backend.readers.test_frozen_graph import CLASSES, SIZE, write_graph


def seed():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.pb")
        write_graph(path, "input:0", "logits:0", "logits:0", "Shape:0")
        return path.read_bytes()


SEED = seed()


@st.composite
def rewired(draw):
    """The graph with one or two of its nodes changed as no framework would."""
    graph = tf.compat.v1.GraphDef.FromString(SEED)
    for node in draw(st.lists(st.sampled_from(list(graph.node)), min_size=1, max_size=2)):
        change = draw(st.sampled_from(["op", "input", "attribute", "sizes", "type"]))
        if change == "op":
            node.op = draw(st.sampled_from(sorted(operations.ALL)))
        elif change == "input":
            node.input[:] = draw(st.lists(st.sampled_from([each.name for each in graph.node])))
        elif change == "attribute" and node.attr:
            del node.attr[draw(st.sampled_from(sorted(node.attr)))]
        elif change == "sizes":
            sizes = node.attr["value"].tensor.tensor_shape.dim
            sizes.add(size=draw(st.integers(-(2**63), 2**63 - 1)))
        elif change == "type":
            node.attr["T"].type = draw(st.integers(0, 130))
    return graph.SerializeToString()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs") / "graph.pb"


@cases()
@given(content=st.one_of(spoiled([SEED]), rewired()))
def test_spoiled_graphs(path, content):
    path.write_bytes(content)
    network = loaded(
        frozen_graph.load, path, SIZE, CLASSES, "input:0", "logits:0", "Shape:0", doubled
    )
    if network is None:
        return
    logits = network.predict(tf.zeros((3, SIZE, SIZE, 3)))
    assert logits.shape == (3, CLASSES)
    assert np.isfinite(logits).all()


@cases(40)  # each builds several functions
@given(content=st.one_of(spoiled([SEED]), rewired()), named=st.booleans())
def test_spoiled_graphs_of_the_users_own(path, content, named):
    path.write_bytes(content)
    tensors = ("input:0", "logits:0") if named else None
    network = loaded(frozen_graph.load_own, path, Convention(), (SIZE, SIZE, 3), tensors)
    if network is None:
        return
    logits = network.logits(np.full((3, *network.input_shape), 0.5, np.float32))
    assert logits.shape == (3, network.num_labels)
    assert np.isfinite(logits).all()
