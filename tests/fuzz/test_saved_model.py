"""SavedModels that are spoiled: an InputError, or a network of finite logits."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from lipschitz.network import Convention
from lipschitz.tf_backend.readers import saved_model
from lipschitz.tf_backend.readers.function_calls import ALLOWED
from tests.fuzz.cases import cases, edited, loaded, spoiled
from tests.tf_backend.readers.test_saved_model import SHAPE, save

PROTO, VARIABLES = "saved_model.pb", "variables/variables"
FILES = (PROTO, f"{VARIABLES}.index", f"{VARIABLES}.data-00000-of-00001")


def contents():
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder, "net"))
        return {name: Path(folder, "net", name).read_bytes() for name in FILES}


CONTENTS = contents()


@st.composite
def rewired(draw):
    """The model with one or two of its nodes changed as no framework would, in any function."""
    model = SavedModel.FromString(CONTENTS[PROTO])
    graph_def = model.meta_graphs[0].graph_def
    functions = graph_def.library.function
    nodes = [*graph_def.node, *(node for function in functions for node in function.node_def)]
    names = [*(node.name for node in nodes), *(f"{node.name}:output:0" for node in nodes), "x"]
    for node in draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=2)):
        change = draw(st.sampled_from(["op", "input", "attribute", "call", "sizes", "type"]))
        if change == "op":
            node.op = draw(st.sampled_from(sorted(ALLOWED)))
        elif change == "input":
            node.input[:] = draw(st.lists(st.sampled_from(names), max_size=3))
        elif change == "attribute" and node.attr:
            del node.attr[draw(st.sampled_from(sorted(node.attr)))]
        elif change == "call":
            node.attr["f"].func.name = draw(st.sampled_from(functions)).signature.name
        elif change == "sizes":
            node.attr["shape"].shape.dim.add(size=draw(st.integers(-(2**63), 2**63 - 1)))
        elif change == "type":
            node.attr["dtype"].type = draw(st.integers(0, 130))
    return {PROTO: model.SerializeToString()}


def one_spoiled(name, spoil):
    return spoil([CONTENTS[name]]).map(lambda content: {name: content})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    (folder / "variables").mkdir()
    return folder


@cases(40)  # each builds several functions
@given(
    changed=st.one_of(
        rewired(),
        rewired(),
        one_spoiled(PROTO, spoiled),
        st.sampled_from(FILES[1:]).flatmap(lambda name: one_spoiled(name, edited)),
    )
)
def test_spoiled_folders(folder, changed):
    for name, content in (CONTENTS | changed).items():
        (folder / name).write_bytes(content)
    network = loaded(saved_model.load, folder, Convention(), SHAPE)
    if network is None:
        return
    logits = network.logits(np.full((3, *network.input_shape), 0.5, np.float32))
    assert logits.shape == (3, network.num_labels)
    assert np.isfinite(logits).all()
