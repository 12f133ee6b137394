"""Files of maxima that are spoiled: a FormatError, or a record that can be scored."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from lipschitz.file_name import FILE_NAME, FileName
from lipschitz.results import matfile, tables
from lipschitz.results.scored import Scoring, scored
from tests.fuzz.cases import cases, loaded, spoiled
from tests.helpers import GOLDEN

FIRST = GOLDEN / "l2" / "mnist_normal" / "1024_50_0_7_6_least_relu_order1.mat"
SECOND = GOLDEN / "order2" / "mnist_normal" / "100_20_0_7_6_least_tanh_order2.mat"


def contents(path):
    return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}


def written(values, compressed):
    file = io.BytesIO()
    savemat(file, values, do_compression=compressed)
    return file.getvalue()


SEEDS = [
    *(path.read_bytes() for path in (FIRST, SECOND)),
    *(written(contents(path), True) for path in (FIRST, SECOND)),
]


def load(folder, name, content, slope=False):
    """Read it; what is read is sane, what is refused is said in one line."""
    (folder / name).write_bytes(content)
    record = loaded(matfile.load, folder / name, slope, refusal=matfile.FormatError)
    if record is None:
        return
    assert record.g_x0 > 0
    assert record.name.info.isprintable()
    (*_, row) = tables.frame([scored([record], how=Scoring("maxsamp"))]).to_dict("records")
    text = [value for name, value in row.items() if isinstance(value, str) and name != "doubts"]
    assert all(value.isprintable() for value in text)
    assert row["signature"].startswith("clever|v:")
    for maxima in record.maxima.values():
        assert maxima.dtype == np.float64
        assert np.isfinite(maxima).all()
        assert (maxima >= 0).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mnist_normal")


@cases()
@given(content=spoiled(SEEDS), path=st.sampled_from([FIRST, SECOND]), slope=st.booleans())
def test_spoiled_bytes(folder, content, path, slope):
    load(folder, path.name, content, slope)


LATER = (  # keys that 2018 had not
    *("settings", "outputs", "doubts", "wrong_images", "farthest_L2", "attack_L2"),
    *("image_name", "true_name", "target_name", "picture", "input_shape", "version"),
)
ODD = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=9),
    st.binary(max_size=9),
    st.lists(st.floats(), max_size=4),
    st.lists(st.text(max_size=3), max_size=3),
    st.just({"dataset": "../..", "model_name": "a\nb"}),
    st.just(np.zeros((2, 0, 3))),
    st.just(np.zeros((9, 9), np.uint8)),
    st.just('{"network": ["a"], "seed": 1e99, "radius": null, "box": "\\n", "drawn": {}}'),
    st.just('{"sample_norm": "<script>", "radius": NaN, "order": "\\ud800", "image": 1}'),
    st.just(np.array([[1, "a"], [None, {"a": 1}]], object)),
)


@cases()
@given(
    path=st.sampled_from([FIRST, SECOND]),
    odd=st.dictionaries(
        st.sampled_from([*contents(FIRST), *contents(SECOND), *LATER]), ODD, min_size=1
    ),
    compressed=st.booleans(),
)
def test_odd_values_under_the_right_keys(folder, path, odd, compressed):
    content = None
    with contextlib.suppress(Exception):  # of what scipy does not write
        content = written(contents(path) | odd, compressed)
    if content is not None:
        load(folder, path.name, content)


@cases()
@given(st.one_of(st.text(), st.from_regex(FILE_NAME), st.from_regex(r"\A[\d_]+_order\d")))
def test_names(name):
    try:
        found = FileName.parse(name)
    except ValueError:
        return
    assert FileName.parse(str(found)) == found
