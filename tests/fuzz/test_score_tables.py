"""Tables of scores that are spoiled: an InputError in one line, or a frame that is tabulated."""

import functools
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import process_log
from lipschitz.results import scoring, table_files, tables
from lipschitz.results.scored import scored
from tests.fuzz.cases import cases, loaded, spoiled
from tests.helpers import GOLDEN

PARQUET = pytest.param("parquet", marks=pytest.mark.extra)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all cases."""
    return tmp_path_factory.mktemp("tables")


@functools.cache
def content(form, folder):
    """A table of two scores."""
    shutil.copy(next((GOLDEN / "l2/mnist_normal").glob("*_least_*")), folder)
    records = scoring.load(scoring.find_files([folder])).records
    path = folder / f"whole.{form}"
    table_files.write(tables.frame([scored(records)])[:2], path, form)
    return path.read_bytes()


@pytest.mark.parametrize("form", ["csv", "json", PARQUET])
@given(data=st.data())
@cases()
def test_a_spoiled_table_is_refused_or_tabulated(form, folder, data):
    path = folder / f"spoiled.{form}"
    path.write_bytes(data.draw(spoiled([content(form, folder)])))
    if loaded(table_files.read, path) is None:
        return
    bounds, problems = process_log.read_table(path)
    assert all(len(problem.splitlines()) == 1 for problem in problems)
    for bound in bounds:
        assert bound["info"].isprintable()
        assert bound["bnd"] == bound["bnd"]
