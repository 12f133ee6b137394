"""Tables: what separates columns, which is the label, and what is wrong with a value."""

import codecs
import sys

import numpy as np
import pandas as pd
import pytest

from lipschitz.data import tables
from lipschitz.data.array_images import ColumnError
from lipschitz.data.own_images import load
from lipschitz.support.errors import InputError

ROWS = [[1.5, -2], [3, 4], [0, 1e3]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def written(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def assert_rows(images, labels=None, columns=("a", "b")):
    np.testing.assert_array_equal(images.values, ROWS)
    assert images.is_table
    assert images.columns == columns
    assert labels == (None if images.labels is None else images.labels_for(10).tolist())


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
def test_any_usual_separator_is_read(path, separator):
    lines = [separator.join(fields) for fields in (["a", "b"], ["1.5", "-2"], ["3", "4"])]
    assert_rows(load(written(path, *lines, f"0{separator}1e3")))


@pytest.mark.parametrize("header", [["a;b"], []])
def test_decimal_commas_are_read_if_semicolons_separate_the_columns(path, header):
    names = ("a", "b") if header else ("0", "1")
    assert_rows(load(written(path, *header, "1,5;-2", "3;4,0", "0;1e3")), columns=names)


def test_tabs_separate_the_columns_of_a_tsv(tmp_path):
    path = written(tmp_path / "t.TSV", "a\tb, c, d, e", "1.5\t-2", "3\t4", "0\t1e3")
    assert_rows(load(path), columns=("a", "b, c, d, e"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_what_spreadsheets_write_is_read(path, encoding):
    text = '\r\n"a";"b";"label"\r\n1.5;-2;7\r\n\r\n3;4;8\r\n0;1e3;9\r\n'
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    path.write_bytes(mark + text.encode(encoding))
    assert_rows(load(path), [7, 8, 9])


def test_the_label_is_found_or_named(path):
    written(path, "a,label,b,class", "1.5,7,-2,x", "3,8,4,y", "0,9,1e3,x")
    with pytest.raises(InputError, match=r"of text, class; row 1 of class is 'x'$"):
        load(path)
    written(path, "a,b,class", "1.5,-2,NA", "3,4,ox", "0,1e3,NA")
    with pytest.raises(ColumnError, match="row 1 of class is 'NA': if a column is the label"):
        load(path)
    images = load(path, label="class")
    assert images.classes == ("NA", "ox")
    assert_rows(images, [0, 1, 0])
    with pytest.raises(ColumnError, match="there is no column kind; there are a, b, class"):
        load(path, label="kind")


def test_a_table_without_a_header_has_numbered_columns(path):
    written(path, "7,1.5,-2", "8,3,4", "9,0,1e3")
    assert_rows(load(path, label="0"), [7, 8, 9], columns=("1", "2"))
    with pytest.raises(
        ColumnError, match=r"3 values \(0, 1, 2\), the network takes 2: if a column"
    ):
        load(path).fitted((2,), -1000, 1000)


def test_a_header_may_count_the_columns(path):
    assert_rows(load(written(path, "0,1", "1.5,-2", "3,4", "0,1e3")), columns=("0", "1"))


def test_row_numbers_of_pandas_are_left_out(path, capsys):
    pd.DataFrame(ROWS, columns=["a", "b"]).to_csv(path)
    assert_rows(load(path))
    assert "counts the rows: it is left out" in capsys.readouterr().err


def test_pixels_of_a_table_are_an_image(path):
    pixels = np.arange(12).reshape(3, 4) * 20
    frame = pd.DataFrame(pixels, columns=list("abcd")).assign(label=[3, 4, 5])
    frame.to_csv(path, index=False)
    images = load(path)
    np.testing.assert_array_equal(
        images.fitted((2, 2, 1), 0, 1)[:], pixels.reshape(3, 2, 2, 1).astype(np.float32) / 255
    )
    assert images.labels_for(10).tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,b", "1,2", "3,"], "row 2 has no value in the column b"),
        (["a,b", "1,2", "3"], "row 2 has no value in the column b"),
        (["a,b,label", "1,2,", "3,4,5"], "row 1 has no label in the column label"),
        (["a,b", "1,2", "3,four"], "of text, b; row 2 of b is 'four'"),
        (["a,b", "1,2,3", "1,2,3"], "its rows have more values than its first line has names"),
        (["a,b", "1,2", "1,2,3"], "cannot be read: "),
        (["a,b"], "there are no rows"),
        (["label", "3"], "there are no columns of features"),
        ([""], "cannot be read: No columns"),
        (['a,"b', "1,2"], "cannot be read: "),
    ],
)
def test_what_is_wrong_is_told(path, lines, said):
    with pytest.raises(InputError, match=said):
        load(written(path, *lines))


def test_rows_with_infinite_values_are_told(path):
    images = load(written(path, "a,b", "1,2", "3,inf"))
    with pytest.raises(InputError, match="image 1 has values that are not finite"):
        images.ranges()


def test_a_first_line_without_end_is_refused(path, monkeypatch):
    monkeypatch.setattr(tables, "LARGEST_LINE", 100)
    with pytest.raises(InputError, match="its first line has more than 100 B"):
        load(written(path, "a," * 60))


def test_data_frames_are_tables():
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], "label": pd.Categorical(["x", "y"])})
    images = tables.of_frame(frame)
    assert images.classes == ("x", "y")
    np.testing.assert_array_equal(images.values, [[1, 1], [2, 0]])
    with pytest.raises(InputError, match="two columns are named a"):
        tables.of_frame(pd.DataFrame(np.eye(2), columns=["a", "a"]))


@pytest.mark.extra
def test_parquet_files_are_tables(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1.5, 3, 0], "b": [-2, 4, 1000], "label": [7, 8, 9]})
    frame = frame.astype({"b": "Int64"})
    frame.to_parquet(tmp_path / "t.parquet")
    assert_rows(load(tmp_path / "t.parquet"), [7, 8, 9])
    frame.assign(b=pd.array([1, None, 2], "Int64")).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="row 2 has no value in the column b"):
        load(tmp_path / "t.parquet")


@pytest.mark.extra
def test_parquet_files_of_absurd_size_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": np.zeros(1000)}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(tables, "MOST_VALUES", 999)
    with pytest.raises(InputError, match="it declares 1000 values, more than 999"):
        load(tmp_path / "t.parquet")


def test_what_parquet_needs_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match='read by pyarrow: "pip install pyarrow"'):
        load(tmp_path / "t.parquet")
