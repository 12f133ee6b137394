"""HDF5 files of 2018 that are spoiled: an InputError, or a network with finite weights."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import mlp
from tests.builtin.test_model_file import write_hdf5
from tests.fuzz.cases import cases, loaded, spoiled

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
@cases
@given(content=spoiled(seeds()))
def test_spoiled_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "spoiled"
    path.write_bytes(content)
    model = loaded(model_file.load, path, lambda: NETWORK)
    if model is None:
        return
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
