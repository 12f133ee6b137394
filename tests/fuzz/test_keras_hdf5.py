"""Whole models in HDF5 files that are spoiled: a ValueError of one line, or a model."""

import copy
import gzip
import io
import json

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.tf_backend.readers import keras_hdf5
from tests.fuzz.cases import cases, edited, loaded, spoiled
from tests.fuzz.test_keras import CONFIG as OF_KERAS_3
from tests.fuzz.test_keras import ODD, places
from tests.helpers import ROOT

OF_KERAS_2 = gzip.decompress((ROOT / "tests" / "data" / "keras_2.h5.gz").read_bytes())
with h5py.File(io.BytesIO(OF_KERAS_2)) as file:
    CONFIG = json.loads(file.attrs["model_config"])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hdf5") / "net.h5"


def load(path):
    return loaded(keras_hdf5.load, path, refusal=ValueError)


@pytest.mark.usefixtures("quick_trials")
@cases(30)
@given(content=spoiled([OF_KERAS_2]))
def test_spoiled_bytes(path, content):
    path.write_bytes(content)
    load(path)


@st.composite
def reconfigured(draw):
    """A configuration with one or two of its values replaced, by parts of it too."""
    config = copy.deepcopy(CONFIG)
    parts = st.sampled_from([CONFIG, OF_KERAS_3, ["images", 0, 0], ["_CONSTANT_VALUE", -1, 2, {}]])
    for place in draw(st.lists(st.sampled_from(list(places(CONFIG))), min_size=1, max_size=2)):
        inner = config
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = copy.deepcopy(draw(st.one_of(ODD, parts)))
        except (KeyError, IndexError, TypeError):  # replaced before
            continue
    return json.dumps(config).encode()


@pytest.mark.usefixtures("quick_trials")
@cases(16)  # many build a model
@given(
    described=st.one_of(reconfigured(), edited([json.dumps(CONFIG).encode()])),
    version=st.sampled_from(["", "2.9.0", "3.4.1"]),
)
def test_spoiled_configurations(path, described, version):
    path.write_bytes(OF_KERAS_2)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = np.bytes_(described[:60_000])  # more does not fit
        file.attrs["keras_version"] = version
    load(path)
