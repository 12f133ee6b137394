"""Keras files that are spoiled: an InputError, or a network of the shapes that are needed."""

import copy
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import mlp
from tests.fuzz.cases import cases, edited, loaded, spoiled

SIZE = 2  # pixels, and hidden units
NETWORK = mlp(SIZE, 1, [SIZE], ACTIVATIONS["hard_sigmoid"])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("keras") / "net.keras"


def members():
    """The files in that network's file."""
    with tempfile.TemporaryDirectory() as folder:
        model_file.save(NETWORK, Path(folder, "net.keras"))
        with zipfile.ZipFile(Path(folder, "net.keras")) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


MEMBERS = members()
CONFIG, WEIGHTS = json.loads(MEMBERS["config.json"]), MEMBERS["model.weights.h5"]


def packed(**changed):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (MEMBERS | changed).items():
            archive.writestr(name, content)
    return file.getvalue()


def places(tree, path=()):
    """The keys and indices that lead to each value in the configuration."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs if isinstance(tree, (dict, list)) else ():
        yield (*path, key)
        yield from places(value, (*path, key)) if isinstance(value, (dict, list)) else ()


ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**20,
        2**40,
        1e308,
        "",
        "relu",
        "get_file",
        [],
        {},
        [None, 2, 2, 1],
        "float64",
    ]
    + [{"class_name": name, "module": "keras.layers", "config": {}} for name in ("ReLU", "Lambda")]
)


@st.composite
def reconfigured(draw):
    """The network with one or two values of its configuration replaced."""
    config = copy.deepcopy(CONFIG)
    for place in draw(st.lists(st.sampled_from(list(places(CONFIG))), min_size=1, max_size=2)):
        inner = config
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = draw(ODD)
        except (KeyError, IndexError, TypeError):  # replaced before
            continue
    return packed(**{"config.json": json.dumps(config)})


def reweighed():
    """The network with spoiled weights."""
    return edited([WEIGHTS]).map(lambda content: packed(**{"model.weights.h5": content}))


@pytest.mark.usefixtures("quick_trials")
@cases()
@given(content=st.one_of(spoiled([packed()]), reconfigured(), reweighed()))
def test_spoiled_files(path, content):
    path.write_bytes(content)
    model = loaded(model_file.load, path, lambda: NETWORK)
    if model is None:
        return
    logits = model(np.full((3, SIZE, SIZE, 1), 0.1, np.float32), training=False)
    assert logits.shape == (3, 10)
    assert np.isfinite(logits).all()
