"""Rows of features, with the labels in a column: .csv, .tsv and .parquet files, data frames."""

import codecs
import io
import re
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from lipschitz.data.array_images import NUMBERS, ArrayImages, ColumnError, of_arrays
from lipschitz.data.words import some
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError
from lipschitz.support.text import say

LABEL = "label"  # the column of labels, if no other is named
LARGEST = 2**30  # bytes of a file
LARGEST_LINE = 2**24  # bytes of the first line: photographs have a tenth
MOST_VALUES = 2**31  # of a parquet file, which can repeat one without end
LONGEST_VALUE = 80  # characters in print
SEPARATORS = ",;\t"
TABS = ".tsv"
NUMBER = re.compile(r'\s*"?[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?"?\s*', re.ASCII | re.IGNORECASE)

DECIMAL_COMMA = re.compile(r'(?:^|;)[ "]*[+-]?\d*,\d+(?:e[+-]?\d+)?[ "]*(?:;|$)', re.M | re.I)


def load_text(path: Path, label: str = "") -> ArrayImages:
    """The rows of a file with commas, semicolons or tabs between its columns.

    The first line names the columns; if it is numbers throughout, it is a row, and the columns are
    named 0, 1, ... Raises InputError if this is no table of numbers; ValueError, or what else
    pandas raises, if the file cannot be read.
    """
    with regular_file.opened(path, LARGEST) as file:
        encoding = _encoding(file)
        first = _first_line(file, encoding)
        separator = _separator(first, path)
        fields = first.split(separator)
        decimal = _decimal_mark(file, encoding) if separator == ";" else "."
        frame = pd.read_csv(
            file,
            sep=separator,
            decimal=decimal,
            header=None if _is_row([field.replace(decimal, ".") for field in fields]) else 0,
            encoding=encoding,
            encoding_errors="replace",
            keep_default_na=False,  # a class may be called NA
            na_values=[""],
            skipinitialspace=True,
            low_memory=False,
        )
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError("its rows have more values than its first line has names")
    return of_frame(_without_row_numbers(frame), label)


def load_parquet(path: Path, label: str = "") -> ArrayImages:
    """The rows of a parquet file.

    Raises InputError if this is no table of numbers, or pyarrow is not installed; ValueError, or
    what else pyarrow raises, if the file cannot be read.
    """
    try:
        from pyarrow.parquet import read_metadata
    except ImportError as error:
        raise InputError('parquet files are read by pyarrow: "pip install pyarrow"') from error
    with regular_file.opened(path, LARGEST) as file:
        metadata = read_metadata(file)
        values = metadata.num_rows * metadata.num_columns
        if values > MOST_VALUES:
            raise ValueError(f"it declares {values} values, more than {MOST_VALUES}")
        file.seek(0)
        return of_frame(pd.read_parquet(file, engine="pyarrow"), label)


def of_frame(frame: pd.DataFrame, label: str = "") -> ArrayImages:
    """The rows of a data frame, with the labels in this column, or in `label` if it is there.

    Raises InputError if another column is not numbers throughout; ColumnError if naming the column
    of labels may mend it.
    """
    names = [str(name).strip() for name in frame.columns]
    if len(names) > len(set(names)):
        raise InputError(f"two columns are named {Counter(names).most_common(1)[0][0]}")
    frame = frame.set_axis(names, axis="columns")
    if label and label not in names:
        raise ColumnError(f"there is no column {label}; there are {some(names)}")
    column = label or LABEL
    features = frame.drop(columns=column, errors="ignore")
    if frame.empty:
        raise InputError("there are no rows")
    if features.columns.empty:
        raise InputError("there are no columns of features")
    labels = _labels(frame[column]) if column in names else None
    if said := _about_text(features):
        if labels is not None:
            raise InputError(said)
        raise ColumnError(f"{said}: if a column is the label, name it")
    return of_arrays(_numbers(features), labels, tuple(features.columns))


def _encoding(file: BinaryIO) -> str:
    """UTF-8, or UTF-16 as spreadsheets write it, with a mark."""
    start = file.read(len(codecs.BOM_UTF16))
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _first_line(file: BinaryIO, encoding: str) -> str:
    """The first line that is not blank; the file is at its beginning then."""
    file.seek(0)
    start = file.read(LARGEST_LINE)
    is_whole = len(start) < LARGEST_LINE
    file.seek(0)
    text = io.StringIO(start.decode(encoding, "replace"), newline=None).read().lstrip("\n ")
    line, end, _ = text.partition("\n")
    if not end and not is_whole:
        raise ValueError(f"its first line has more than {LARGEST_LINE} B")
    return line


def _separator(first: str, path: Path) -> str:
    if path.suffix.lower() == TABS:
        return "\t"
    if ";" in first and DECIMAL_COMMA.search(first):
        return ";"
    return max(SEPARATORS, key=first.count)


def _decimal_mark(file: BinaryIO, encoding: str) -> str:
    """The comma, if a spreadsheet that separates columns by semicolons writes it in numbers."""
    start = file.read(LARGEST_LINE).decode(encoding, "replace")
    file.seek(0)
    return "," if DECIMAL_COMMA.search(start) else "."


def _is_row(fields: list[str]) -> bool:
    """Whether the first line is numbers that do not merely count the columns."""
    if not all(map(NUMBER.fullmatch, fields)):
        return False
    return [field.strip(' "') for field in fields] != [str(place) for place in range(len(fields))]


def _without_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the first column if it has no name and counts the rows, as pandas writes it."""
    name = frame.columns[0]
    if name != "Unnamed: 0" or not (frame[name] == np.arange(len(frame))).all():
        return frame
    say("the first column of the table has no name and counts the rows: it is left out")
    return frame.drop(columns=name)


def _labels(column: pd.Series) -> np.ndarray:
    if column.isna().any():
        row = int(column.isna().argmax())
        raise InputError(f"row {row + 1} has no label in the column {column.name}")
    return column.to_numpy()


def _about_text(features: pd.DataFrame) -> str:
    """What to say of columns that are not numbers; empty if there are none."""
    kinds = [dtype.kind for dtype in features.dtypes]
    text = [name for name, kind in zip(features, kinds, strict=True) if kind not in NUMBERS]
    if not text:
        return ""
    column = features[text[0]]
    row = int(pd.to_numeric(column, errors="coerce").isna().argmax())
    value = str(column.iloc[row])[:LONGEST_VALUE]
    return f"there are columns of text, {some(text)}; row {row + 1} of {text[0]} is {value!r}"


def _numbers(features: pd.DataFrame) -> np.ndarray:
    """The rows (N, n) in one type of number. Raises InputError if a value is missing."""
    missing = features.isna().to_numpy()
    if missing.any():
        row, place = np.argwhere(missing)[0]
        raise InputError(f"row {row + 1} has no value in the column {features.columns[place]}")
    types = {np.dtype(f"{dtype.kind}{dtype.itemsize}") for dtype in features.dtypes}
    return features.to_numpy(np.result_type(*types))
