"""HDF5 files of 2018 that are spoiled: an InputError, or a network with finite weights."""

import copy
import io
import json

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import mlp
from tests.builtin.test_model_file import write_hdf5
from tests.fuzz.cases import cases, edited, loaded, spoiled
from tests.fuzz.test_keras import ODD, places

SIZE = 2  # pixels, and hidden units
NETWORK = mlp(SIZE, 1, [SIZE], ACTIVATIONS["tanh"])


def seeds():
    """A network's file, and one with what else HDF5 can hold."""
    plain, rich = io.BytesIO(), io.BytesIO()
    weights = NETWORK.get_weights()
    for file in plain, rich:
        write_hdf5(file, weights)
    with h5py.File(rich, "a") as file:
        file.attrs["text"] = "of any length"
        file.create_dataset("packed", data=np.ones((20, 20)), chunks=(5, 5), compression="gzip")
        file["group/soft"] = h5py.SoftLink("/packed")
    return [plain.getvalue(), rich.getvalue()]


@pytest.mark.usefixtures("quick_trials")
@cases()
@given(content=spoiled(seeds()))
def test_spoiled_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "spoiled"
    path.write_bytes(content)
    model = loaded(model_file.load, path, lambda: NETWORK)
    if model is None:
        return
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


CONFIG = json.loads(NETWORK.to_json())
OLD = {
    "class_name": "Sequential",
    "config": [
        {"class_name": "Flatten", "config": {"batch_input_shape": [None, SIZE, SIZE, 1]}},
        {"class_name": "Dense", "config": {"units": SIZE, "activation": "tanh"}},
        {"class_name": "Lambda", "config": {"function": ["4wEAAA==", None, None]}},
        {"class_name": "Dense", "config": {"units": 10, "activation": "softmax"}},
    ],
}


@st.composite
def redescribed(draw):
    """The description of a network with one or two of its values replaced."""
    config = copy.deepcopy(draw(st.sampled_from([CONFIG, OLD])))
    for place in draw(st.lists(st.sampled_from(list(places(config))), min_size=1, max_size=2)):
        inner = config
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = draw(
                st.one_of(ODD, st.sampled_from([CONFIG, OLD, [["dense", 0, 0]]]))
            )
        except (KeyError, IndexError, TypeError):  # replaced before
            continue
    return json.dumps(config).encode()


TEXTS = [json.dumps(each).encode() for each in (CONFIG, OLD)]


@pytest.mark.usefixtures("quick_trials")
@cases(20)  # each builds a network
@given(described=st.one_of(redescribed(), edited(TEXTS), st.binary(max_size=200)))
def test_spoiled_descriptions(tmp_path_factory, described):
    path = tmp_path_factory.getbasetemp() / "described"
    write_hdf5(path, NETWORK.get_weights())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = np.bytes_(described)
    loaded(model_file.load, path, lambda: NETWORK)
